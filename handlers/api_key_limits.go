package handlers

import (
	"net/netip"
	"strings"

	"github.com/eggapi/eggapi/gen/api"
	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/meter"
	"github.com/eggapi/eggapi/internal/money"
)

// ToKeyLimits gives limits that were asked for as the domain has them, nil for none. It fails with VALIDATION_ERROR for a
// network that is none, and for a cap of nothing.
func ToKeyLimits(asked *api.APIKeyLimitsRequest) (*auth.KeyLimits, error) {
	if asked == nil {
		return nil, nil
	}
	r := *asked
	limits := &auth.KeyLimits{
		Models: r.Models, RequestsPerSecond: r.RequestsPerSecond,
		Limits: meter.Limits{RunningTasks: r.RunningTasks, RequestsPerDay: r.RequestsPerDay},
	}
	if r.TimeZone != nil {
		limits.TimeZone = *r.TimeZone
	}
	for _, name := range r.Networks {
		network, ok := toNetwork(name)
		if !ok {
			return nil, invalidLimit("networks", "cidr", "must be addresses, or networks in CIDR notation")
		}
		limits.Networks = append(limits.Networks, network)
	}
	if r.SpendCap != nil {
		micros, ok := money.Parse(r.SpendCap.Amount)
		if !ok || micros == 0 {
			return nil, invalidLimit("spend_cap.amount", "minimum", "must be more than nothing")
		}
		limits.SpendCapMicros, limits.SpendWindow = &micros, string(r.SpendCap.Window)
	}
	return limits, nil
}

func invalidLimit(name, rule, message string) error {
	return fault.New(fault.ValidationError, "request validation failed").
		WithFields(fault.Field{In: "body", Name: "limits." + name, Rule: rule, Message: message})
}

// toNetwork reads an address or a network. One whose address has bits beyond its length means the network that holds it.
func toNetwork(name string) (netip.Prefix, bool) {
	if !strings.Contains(name, "/") {
		addr, err := netip.ParseAddr(name)
		if err != nil || addr.Zone() != "" {
			return netip.Prefix{}, false
		}
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), true
	}
	network, err := netip.ParsePrefix(name)
	if err != nil || network.Addr().Is4In6() {
		return netip.Prefix{}, false
	}
	return network.Masked(), true
}

// ToAPIKeyLimits gives the limits of a key as the contract has them.
func ToAPIKeyLimits(k auth.Key) api.APIKeyLimits {
	limits := api.APIKeyLimits{
		Models: k.Models, RequestsPerSecond: k.RequestsPerSecond, RequestsPerDay: k.Meter.RequestsPerDay,
		RunningTasks: k.Meter.RunningCap, TimeZone: k.Meter.TimeZone,
	}
	for _, network := range k.Networks {
		limits.Networks = append(limits.Networks, network.String())
	}
	if k.Meter.SpendCapMicros != nil {
		limits.SpendCap = &api.SpendCap{Amount: money.Dollars(*k.Meter.SpendCapMicros), Window: *k.Meter.SpendWindow}
	}
	return limits
}
