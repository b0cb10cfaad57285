package meter

import (
	"context"
	"time"
	_ "time/tzdata" // a binary runs where no time zones are installed

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/pg"
)

// The windows after which a spend cap begins anew.
const (
	WindowDay   = "day"   // a calendar day of the key's time zone
	WindowWeek  = "week"  // from Monday
	WindowMonth = "month" // a calendar month
	WindowTotal = "total" // never
)

// noWindow marks tasks that only take a place: no window of any meter begins then.
var noWindow = time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)

var errTimeZone = fault.New(fault.ValidationError, "request validation failed").
	WithFields(fault.Field{In: "body", Name: "limits.time_zone", Rule: "timeZone", Message: "is not a time zone that is known here"})

// Limits is what a key is held to. Nil members and an empty window are no limit.
type Limits struct {
	TimeZone       string // "" = UTC
	SpendCapMicros *int64
	SpendWindow    string // with SpendCapMicros
	RunningTasks   *int32
	RequestsPerDay *int64
}

// CheckTimeZone refuses with VALIDATION_ERROR a name that is not in the IANA database; "" is UTC.
func CheckTimeZone(name string) error {
	if name == "Local" {
		return errTimeZone
	}
	if _, err := time.LoadLocation(name); err != nil {
		return errTimeZone.Because(err)
	}
	return nil
}

// Key is whose limits are changed.
type Key struct {
	ID, UserID, Environment string
}

// Change sets the limits of a key, and gives its meter. The transaction may have locked the user and the key before, and
// nothing else. A cap that is new, or has another window, counts what was used in the window that holds at, and what is set
// aside for tasks under way; a total begins with nothing. Orders that are being accepted at the same moment may still go by
// the old limits. It fails with VALIDATION_ERROR for a time zone that the database does not know.
func Change(ctx context.Context, tx pg.Tx, k Key, l Limits, at time.Time) (db.APIKeyMeter, error) {
	if l.TimeZone == "" {
		l.TimeZone = "UTC"
	}
	// In the order of those who end tasks.
	open, err := pg.Q.MeterLockOpenTasksAll(ctx, tx, db.MeterLockOpenTasksAllParams{UserID: k.UserID, Environment: k.Environment, APIKeyID: k.ID})
	if err != nil {
		return db.APIKeyMeter{}, fault.Wrap(err, "lock the open tasks of an API key")
	}
	if _, err := pg.Q.MeterLock(ctx, tx, db.MeterLockParams{UserID: k.UserID, APIKeyID: k.ID}); err != nil {
		return db.APIKeyMeter{}, fault.Wrap(err, "lock the meter of an API key")
	}
	window := &l.SpendWindow
	if l.SpendCapMicros == nil {
		window = nil
	}
	m, err := pg.Q.MeterSet(ctx, tx, db.MeterSetParams{
		APIKeyID: k.ID, UserID: k.UserID, TimeZone: l.TimeZone, SpendCapMicros: l.SpendCapMicros, SpendWindow: window,
		RunningCap: l.RunningTasks, RequestsPerDay: l.RequestsPerDay, OpenTaskIDs: open, At: at, NoWindow: noWindow,
	})
	if pg.UnknownTimeZone(err) {
		return db.APIKeyMeter{}, errTimeZone.Because(err)
	}
	return m, fault.Wrap(err, "change the limits of an API key")
}
