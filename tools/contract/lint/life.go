package lint

import (
	"time"

	"github.com/eggapi/eggapi/tools/contract/source"
)

var lifeRules = []Rule{
	{"deprecation-marks", "The server tells clients of an end from three marks; one alone would tell them nothing.", eachOperation(deprecationMarks)},
	{"deprecation-time", "Customers get half a year to move.", eachOperation(deprecationTime)},
	{"deprecation-place", "Only an operation's marks become headers; on anything smaller nobody would see them.", deprecationPlace},
	{"link", "A link is a promise that the next call works.", eachOperation(link)},
}

// Notice is the least time between the announcement of an end and the end.
const Notice = 180 * 24 * time.Hour

func deprecationMarks(_ *Contract, op *Operation) []Finding {
	deprecated := op.Node.Get("deprecated").Is()
	var all []Finding
	for _, mark := range []string{"x-deprecated-at", "x-sunset"} {
		n := op.Node.Get(mark)
		switch {
		case deprecated && n.IsZero():
			all = append(all, found(op.Node.Get("deprecated").Place(), "%s is deprecated and has no %s; add the date", op.title(), mark))
		case !deprecated && !n.IsZero():
			all = append(all, found(n.Place(), "%s has %s and is not deprecated; add deprecated: true", op.title(), mark))
		}
		if _, err := time.Parse(time.DateOnly, n.Text()); !n.IsZero() && err != nil {
			all = append(all, found(n.Place(), "%s is no date; write it as YYYY-MM-DD", mark))
		}
	}
	if n := op.Node.Get("x-deprecation-link"); !n.IsZero() && !deprecated {
		all = append(all, found(n.Place(), "%s has x-deprecation-link and is not deprecated; add deprecated: true", op.title()))
	}
	return all
}

func deprecationTime(_ *Contract, op *Operation) []Finding {
	since, err1 := time.Parse(time.DateOnly, op.Node.Get("x-deprecated-at").Text())
	sunset, err2 := time.Parse(time.DateOnly, op.Node.Get("x-sunset").Text())
	if err1 != nil || err2 != nil || sunset.Sub(since) >= Notice {
		return nil
	}
	return []Finding{found(op.Node.Get("x-sunset").Place(), "%s ends less than %d days after it was deprecated; not before %s",
		op.title(), int(Notice.Hours()/24), since.Add(Notice).Format(time.DateOnly))}
}

func deprecationPlace(c *Contract) []Finding {
	operations := map[source.Place]bool{}
	for _, op := range c.Operations {
		operations[op.Node.Place()] = true
	}
	var all []Finding
	for _, file := range c.files {
		file.Walk(func(n source.Node) bool {
			for _, mark := range []string{"x-deprecated-at", "x-sunset", "x-deprecation-link"} {
				if at, has := n.Keys()[mark]; has && !operations[n.Place()] {
					all = append(all, found(at, "%s is not on an operation; give the dates of smaller things in openapi/breaking.yaml", mark))
				}
			}
			return n.Name != "example" && n.Name != "examples"
		})
	}
	return all
}

func link(c *Contract, op *Operation) []Finding {
	var all []Finding
	for _, r := range op.Answers() {
		for _, l := range r.Node.Get("links").Members() {
			all = append(all, c.checkLink(l)...)
		}
	}
	return all
}

func (c *Contract) checkLink(l source.Node) []Finding {
	id := l.Get("operationId")
	for _, target := range c.Operations {
		if target.ID != id.Text() || target.Webhook {
			continue
		}
		takes := map[string]bool{}
		for _, p := range target.Parameters {
			takes[p.Get("name").Text()] = true
			takes[p.Get("in").Text()+"."+p.Get("name").Text()] = true
		}
		var all []Finding
		for _, p := range l.Get("parameters").Members() {
			if !takes[p.Name] {
				all = append(all, found(p.Place(), "%s has no parameter %s; correct the link", id.Text(), p.Name))
			}
		}
		return all
	}
	at := l.Place()
	if !id.IsZero() {
		at = id.Place()
	}
	return []Finding{found(at, "the link %s leads to %q, which is no operation; name one by its operationId", l.Name, id.Text())}
}
