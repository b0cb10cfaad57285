package server

import (
	"net/netip"
	"slices"

	"github.com/labstack/echo/v4"

	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/fault"
)

var errNetwork = fault.New(fault.Forbidden, "This API key may not be used from this address")

// errScopes refuses a key that lacks a scope.
var errScopes = func() map[string]*fault.Error {
	refusals := map[string]*fault.Error{}
	for _, scope := range auth.Scopes() {
		refusals[scope] = fault.New(fault.Forbidden, "This API key lacks the scope "+scope)
	}
	return refusals
}()

// authorise refuses a key that is used from elsewhere than it may be, or for what it may not do. Sessions may do all that
// an operation which takes them does.
func authorise(c echo.Context, op *operation, p auth.Principal) error {
	if p.Kind != auth.KindKey {
		return nil
	}
	if p.Rights == nil { // nobody said what it may do, so it may do nothing
		return errNetwork
	}
	if len(p.Rights.Networks) > 0 {
		addr, err := netip.ParseAddr(c.RealIP())
		if err != nil {
			return errMalformed.Because(err)
		}
		if !p.Rights.From(addr) {
			return errNetwork
		}
	}
	for _, scope := range op.scopes {
		if !slices.Contains(p.Rights.Scopes, scope) {
			return errScopes[scope]
		}
	}
	return nil
}
