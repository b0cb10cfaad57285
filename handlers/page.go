package handlers

import "github.com/eggapi/eggapi/gen/api"

// The contract's defaults of page and per_page; a test holds them against it.
const (
	defaultPage    = 1
	defaultPerPage = 20
)

// page is where a list begins and how long it is.
type page struct {
	number, perPage int
}

func newPage(number, perPage *int) page {
	p := page{number: defaultPage, perPage: defaultPerPage}
	if number != nil {
		p.number = *number
	}
	if perPage != nil {
		p.perPage = *perPage
	}
	return p
}

func (p page) limit() int32  { return int32(p.perPage) } //nolint:gosec // the contract bounds it to 100
func (p page) offset() int64 { return int64(p.number-1) * int64(p.perPage) }

func (p page) pagination(total int64) api.Pagination {
	per := int64(p.perPage)
	return api.Pagination{Page: p.number, PerPage: p.perPage, Total: total, TotalPages: (total + per - 1) / per}
}

func orNil[T any](v T, present bool) *T {
	if !present {
		return nil
	}
	return &v
}

func text[T ~string](v *T) *string {
	if v == nil {
		return nil
	}
	s := string(*v)
	return &s
}

func orZero[T any](v *T) T {
	if v == nil {
		var zero T
		return zero
	}
	return *v
}
