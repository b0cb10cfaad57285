package mock

import (
	"iter"
	"time"

	"github.com/eggapi/eggapi/gen/api"
)

// The contract's defaults of page and per_page.
const (
	defaultPage    = 1
	defaultPerPage = 20
)

// page gives the wanted part of a list, its items turned into those of the contract, and where it lies in the whole.
func page[T, Item any](all iter.Seq[T], number, perPage *int, item func(T) Item) ([]Item, api.Pagination) {
	p := api.Pagination{Page: defaultPage, PerPage: defaultPerPage}
	if number != nil {
		p.Page = *number
	}
	if perPage != nil {
		p.PerPage = *perPage
	}
	per := int64(p.PerPage)
	first := int64(p.Page-1) * per
	items := []Item{}
	for thing := range all {
		if p.Total >= first && p.Total < first+per {
			items = append(items, item(thing))
		}
		p.Total++
	}
	p.TotalPages = (p.Total + per - 1) / per
	return items, p
}

// only keeps what matches.
func only[T any](all iter.Seq[T], matches func(T) bool) iter.Seq[T] {
	return func(yield func(T) bool) {
		for thing := range all {
			if matches(thing) && !yield(thing) {
				return
			}
		}
	}
}

// is tells whether a filter that may be absent lets a value through.
func is[T ~string](filter *T, value string) bool { return filter == nil || string(*filter) == value }

// between tells whether t lies after one time and before another, where these are given.
func between(t time.Time, after, before *time.Time) bool {
	return (after == nil || t.After(*after)) && (before == nil || t.Before(*before))
}
