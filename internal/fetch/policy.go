package fetch

import (
	"errors"
	"net/netip"
	"time"
)

// Policy says what a Client may do. The zero value is the strict production policy; zero numbers mean the defaults.
type Policy struct {
	AllowNetworks []netip.Prefix // development only: reachable although not public, by http:// and on any port
	DenyNetworks  []netip.Prefix // own public and cluster ranges; wins over AllowNetworks
	Production    bool           // New refuses a non-empty AllowNetworks when set

	ImageLimitBytes int64 // 20 MiB
	MaxPixels       int64 // 50,000,000
	MaxSide         int   // 16,384 pixels
	MaxImages       int   // 32 images at once; further calls wait
	MaxPosts        int   // 128 posts at once; further calls wait

	Timeouts Timeouts
}

// Timeouts bounds every wait on a foreign server. Zero means the default.
type Timeouts struct {
	Connect time.Duration // name lookup and TCP connect: 3 s
	Header  time.Duration // TLS handshake, and an image's response header: 5 s
	Total   time.Duration // one image with all its redirects: 20 s
	Post    time.Duration // one post without a timeout of its own: 15 s
}

// setDefaults fills in zero numbers and fails on negative ones.
func (p *Policy) setDefaults() error {
	t := &p.Timeouts
	return errors.Join(
		orDefault(&p.ImageLimitBytes, 20<<20),
		orDefault(&p.MaxPixels, 50_000_000),
		orDefault(&p.MaxSide, 16_384),
		orDefault(&p.MaxImages, 32),
		orDefault(&p.MaxPosts, 128),
		orDefault(&t.Connect, 3*time.Second),
		orDefault(&t.Header, 5*time.Second),
		orDefault(&t.Total, 20*time.Second),
		orDefault(&t.Post, 15*time.Second),
	)
}

func orDefault[T ~int | ~int64](value *T, standard T) error {
	if *value < 0 {
		return errors.New("fetch policy: a limit is negative")
	}
	if *value == 0 {
		*value = standard
	}
	return nil
}
