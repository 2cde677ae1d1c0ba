package coupon

import (
	"context"
	"fmt"
	"time"

	"github.com/vouch-go/vouch/storage"
)

// OfferState says whether an offer runs.
type OfferState string

// The states of an offer. One that is over is ended, paused or not.
const (
	OfferScheduled OfferState = "scheduled" // its schedule has not begun
	OfferLive      OfferState = "live"
	OfferPaused    OfferState = "paused" // until it is resumed
	OfferEnded     OfferState = "ended"  // its schedule is over
)

// OfferStatus is a published offer, and whether it runs. Versions never change; this
// does.
type OfferStatus struct {
	Offer Offer // the latest version
	State OfferState
	Runs  Interval // by the schedule of that version, whatever its weekly windows and blackouts

	// Who paused or resumed it last, why and when; zero: nobody ever did.
	Paused bool
	Actor  string
	Reason string
	At     time.Time
}

// OfferQuery asks for a page of the published offers.
type OfferQuery struct {
	After storage.Cursor // the Next of the page before
	Limit int            // default 100, at most 1,000
}

// OfferPage is a page of the published offers, by their ids; Next is empty on the last.
type OfferPage struct {
	Offers []OfferStatus
	Next   storage.Cursor
}

// Offers gives the published offers as they are in the store, each in its latest version,
// automatic or not. Predicates that they name need not be registered here. A page costs
// two reads, however many offers there are. It fails with a [*Faults] when now is not
// valid, and with [storage.ErrInvalid] when the limit is out of range or After is not the
// Next of a page.
func (s *Service) Offers(ctx context.Context, q OfferQuery, now time.Time) (OfferPage, error) {
	faults := &Faults{Kind: ErrRequest}
	faults.instant("now", now)
	if err := faults.orNil(); err != nil {
		return OfferPage{}, err
	}
	page, err := s.store.List(ctx, storage.Query{Kind: kindHead, After: q.After, Limit: q.Limit})
	if err != nil {
		return OfferPage{}, err
	}
	found, err := s.statuses(ctx, page.Docs, now)
	return OfferPage{found, page.Next}, err
}

// Status gives one published offer as it is in the store. It fails with [ErrNoOffer], and
// with a [*Faults] when now is not valid.
func (s *Service) Status(ctx context.Context, offer string, now time.Time) (OfferStatus, error) {
	faults := &Faults{Kind: ErrRequest}
	faults.id("offer", offer, false)
	faults.instant("now", now)
	if err := faults.orNil(); err != nil {
		return OfferStatus{}, err
	}
	docs, _, err := s.store.Get(ctx, []storage.Key{headKey(offer)})
	if err != nil {
		return OfferStatus{}, err
	}
	found, err := s.statuses(ctx, docs, now)
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("%w: %q", ErrNoOffer, offer)
	}
	if err != nil {
		return OfferStatus{}, err
	}
	return found[0], nil
}

// statuses reads the latest versions of offers.
func (s *Service) statuses(ctx context.Context, docs []storage.Doc, now time.Time) ([]OfferStatus, error) {
	all := make([]headBody, len(docs))
	latest := make([]storage.Key, len(docs))
	for i, doc := range docs {
		head, err := heads.Decode(doc)
		if err != nil {
			return nil, err
		}
		all[i], latest[i] = head.Value, versionKey(doc.Key.ID, head.Value.Latest)
	}
	found := make(map[storage.Key]*storage.Doc)
	if err := s.get(ctx, found, latest); err != nil {
		return nil, err
	}
	var statuses []OfferStatus
	for i := range all {
		status, err := all[i].status(found[latest[i]], now)
		if err != nil {
			return nil, err
		}
		statuses = append(statuses, status)
	}
	return statuses, nil
}

// status is that of an offer whose latest version is kept in the document.
func (h *headBody) status(latest *storage.Doc, now time.Time) (OfferStatus, error) {
	document, err := readDocument(latest)
	if err != nil {
		return OfferStatus{}, err
	}
	offer, err := document.kept()
	if err != nil {
		return OfferStatus{}, err
	}
	zone, err := loadZone(offer.Schedule.Zone)
	if err != nil {
		return OfferStatus{}, err
	}
	status := OfferStatus{
		Offer: offer, State: OfferLive, Runs: offer.Schedule.bounds(zone),
		Paused: h.Paused, Actor: h.Actor, Reason: h.Reason, At: instant(h.At),
	}
	switch {
	case !status.Runs.Until.IsZero() && !now.Before(status.Runs.Until):
		status.State = OfferEnded
	case h.Paused:
		status.State = OfferPaused
	case now.Before(status.Runs.From):
		status.State = OfferScheduled
	}
	return status, nil
}
