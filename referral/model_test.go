package referral_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

// model is what a program with a few customers should look like, kept by hand, and
// nothing of how that is stored.
type model struct {
	*shop
	now     time.Time
	paused  bool
	touches int
	people  map[string]*person
}

type person struct {
	linked     bool
	followed   []followedLink // by this person as a visitor
	registered *referral.Registration
	outcome    referral.Outcome
	friend     *modelFriend // nil: nobody brought them
}

type followedLink struct {
	who string
	at  time.Time
}

type modelFriend struct {
	referrer  string
	state     referral.State
	bound     time.Time
	payments  map[string]time.Time // by order, 12.00 each
	back      map[string]int       // euros that came back
	order     string
	holdUntil time.Time
	retry     time.Time
	reward    referral.RewardState
}

const (
	modelCap    = 2
	modelWindow = 2 * day
	modelWithin = 5 * day
)

func newModel(t *rapid.T) *model {
	p := changed(held(modelCap), func(p *referral.Program) { p.Window, p.Qualify.Within = modelWindow, modelWithin })
	m := &model{shop: openShop(t, memory.New(), referral.Options{Events: true, Retry: time.Hour}, p), now: noon, people: make(map[string]*person)}
	for _, name := range []string{"jane", "joe", "mia", "ida", "noa", "eve"} {
		m.people[name] = new(person)
	}
	return m
}

func (m *model) someone(t *rapid.T, label string) (string, *person) {
	name := rapid.SampledFrom([]string{"jane", "joe", "mia", "ida", "noa", "eve"}).Draw(t, label)
	return name, m.people[name]
}

// unchanged requires that a call leaves the store as it is.
func (m *model) unchanged(t *rapid.T, call func()) {
	before := dump(t, m.store)
	call()
	requireSame(t, before, dump(t, m.store))
}

func (m *model) getLink(t *rapid.T) {
	name, p := m.someone(t, "who")
	_, err := m.Link(ctx, "invite", name, m.now)
	if m.paused && !p.linked {
		require.ErrorIs(t, err, referral.ErrPaused)
		return
	}
	require.NoError(t, err)
	p.linked = true
	m.unchanged(t, func() { _, _ = m.Link(ctx, "invite", name, m.now.Add(time.Hour)) })
}

// linked draws somebody who has a link.
func (m *model) linked(t *rapid.T) (string, referral.Link) {
	name, p := m.someone(t, "whose")
	if !p.linked {
		t.Skip()
	}
	link, err := m.Link(ctx, "invite", name, m.now)
	require.NoError(t, err)
	return name, link
}

func (m *model) follow(t *rapid.T) {
	whose, link := m.linked(t)
	name, p := m.someone(t, "visitor")
	m.touches++
	_, err := m.Touch(ctx, referral.TouchRequest{ID: fmt.Sprintf("%09d", m.touches), Visitor: name, Code: string(link.Code)}, m.now)
	require.NoError(t, err)
	p.followed = append(p.followed, followedLink{whose, m.now})
}

func (m *model) registering(t *rapid.T) {
	name, p := m.someone(t, "who")
	request := referral.Registration{Customer: name, Visitor: name}
	referrer := ""
	for _, f := range slices.SortedStableFunc(slices.Values(p.followed), func(a, b followedLink) int { return a.at.Compare(b.at) }) {
		if m.now.Before(f.at.Add(modelWindow)) {
			referrer = f.who
		}
	}
	if rapid.Bool().Draw(t, "code") {
		var link referral.Link
		referrer, link = m.linked(t)
		request.Code = string(link.Code)
	}
	if p.registered != nil {
		m.unchanged(t, func() {
			o, err := m.Register(ctx, request, m.now)
			if request != *p.registered {
				require.ErrorIs(t, err, coupon.ErrKeyReused)
				return
			}
			require.NoError(t, err)
			require.Equal(t, p.outcome, o)
		})
		return
	}
	want := referral.Reason("")
	switch {
	case referrer == "":
		want = referral.ReasonNoInvitation
	case referrer == name:
		want = referral.ReasonOwnCode
	case m.paused:
		want = referral.ReasonPaused
	case p.linked:
		want = referral.ReasonNotNew
	}
	o, err := m.Register(ctx, request, m.now)
	require.NoError(t, err)
	require.Equal(t, want, o.Reason)
	p.registered, p.outcome = &request, o
	if o.Bound {
		require.Equal(t, referrer, o.Referrer)
		p.friend = &modelFriend{
			referrer: referrer, state: referral.StateBound, bound: m.now, payments: make(map[string]time.Time), back: make(map[string]int),
		}
	}
}

// first is the payment that counts, by what the model knows.
func (f *modelFriend) first() (order string) {
	for _, o := range []string{"1", "2"} {
		at, known := f.payments[o]
		if known && !at.Before(f.bound) && at.Before(f.bound.Add(modelWithin)) && (order == "" || at.Before(f.payments[order])) {
			order = o
		}
	}
	return order
}

func (f *modelFriend) over() bool {
	return f.state == referral.StateExpired || f.state == referral.StateVoided || f.state == referral.StateReversed
}

// places are how many friends of a referrer count.
func (m *model) places(referrer string) int {
	n := 0
	for _, p := range m.people {
		if f := p.friend; f != nil && f.referrer == referrer && (f.reward == referral.RewardPending || f.reward == referral.RewardGranted) {
			n++
		}
	}
	return n
}

// advance is what should become of a friend now.
func (m *model) advance(f *modelFriend) {
	order := f.first()
	if order != "" && f.back[order] >= 12 {
		f.order = order
		if f.state == referral.StateConfirmed {
			f.state = referral.StateReversed
			if f.reward == referral.RewardGranted {
				f.reward = referral.RewardClawedBack
			}
			return
		}
		f.state = referral.StateVoided
		if f.reward == referral.RewardPending {
			f.reward = referral.RewardCanceled
		}
		return
	}
	if f.state == referral.StateBound && order == "" && !m.now.Before(f.bound.Add(modelWithin)) {
		f.state = referral.StateExpired
	}
	if f.state == referral.StateBound && order != "" {
		f.state, f.reward = referral.StateHeld, referral.RewardWithheld
		if m.places(f.referrer) < modelCap {
			f.reward = referral.RewardPending
		}
	}
	if f.state != referral.StateHeld {
		return
	}
	f.order, f.holdUntil = order, f.payments[order].Add(time.Hour)
	switch {
	case m.now.Before(f.holdUntil):
	case m.paused:
		f.retry = m.now.Add(time.Hour)
	default:
		f.state = referral.StateConfirmed
		if f.reward == referral.RewardPending {
			f.reward = referral.RewardGranted
		}
	}
}

func (m *model) pays(t *rapid.T) {
	name, p := m.someone(t, "who")
	order := rapid.SampledFrom([]string{"1", "2"}).Draw(t, "order")
	call := func() referral.Settlement {
		settled, err := m.OrderPaid(ctx, paid(name, name+order, "12.00"), m.now)
		require.NoError(t, err)
		return settled
	}
	f := p.friend
	if f == nil || !f.payments[order].IsZero() {
		m.unchanged(t, func() { call() })
		return
	}
	before := f.order != "" && (m.now.Before(f.payments[f.order]) || m.now.Equal(f.payments[f.order]) && order < f.order)
	if f.over() && !before { // one before the payment that counted stays on record, and changes nothing
		m.unchanged(t, func() { call() })
		return
	}
	call()
	m.unchanged(t, func() { call() })
	if f.order == "" || before {
		f.payments[order] = m.now
	}
	if !f.over() && (f.order == "" || before) {
		m.advance(f)
	}
}

func (m *model) returns(t *rapid.T) {
	name, p := m.someone(t, "who")
	order := rapid.SampledFrom([]string{"1", "2"}).Draw(t, "order")
	euros := rapid.SampledFrom([]int{6, 7, 12}).Draw(t, "euros") // one return of each amount
	call := func() {
		_, err := m.OrderReturned(ctx, back(name, name+order, fmt.Sprint(euros), fmt.Sprintf("%d.00", euros)), m.now)
		require.NoError(t, err)
	}
	f := p.friend
	if f == nil || f.over() {
		m.unchanged(t, call)
		return
	}
	id := fmt.Sprint(order, "/", euros)
	again := f.back[id] > 0
	call()
	m.unchanged(t, call)
	if !again {
		f.back[id] = euros
		f.back[order] += euros
		m.advance(f)
	}
}

func (m *model) sweep(t *rapid.T) {
	done := 0
	for _, name := range []string{"jane", "joe", "mia", "ida", "noa", "eve"} {
		f := m.people[name].friend
		if f == nil {
			continue
		}
		due := f.bound.Add(modelWithin)
		if f.state == referral.StateHeld {
			if due = f.holdUntil; f.retry.After(due) {
				due = f.retry
			}
		}
		if (f.state == referral.StateBound || f.state == referral.StateHeld) && !m.now.Before(due) {
			m.advance(f)
			done++
		}
	}
	require.Equal(t, done, m.settle(m.now).Done)
	m.unchanged(t, func() { m.settle(m.now) })
}

func (m *model) pause(t *rapid.T) {
	call := m.Pause
	if m.paused {
		call = m.Resume
	}
	m.paused = !m.paused
	require.NoError(t, call(ctx, "invite", "staff", "because", m.now))
	m.unchanged(t, func() { require.NoError(t, call(ctx, "invite", "staff", "again", m.now)) })
}

// check compares everything with what is kept.
func (m *model) check(t *rapid.T) {
	granted, friends := make(map[string]int), make(map[string]int)
	for name, p := range m.people {
		f := p.friend
		if f == nil {
			_, err := m.Referral(ctx, "invite", name)
			require.ErrorIs(t, err, referral.ErrNoReferral)
			continue
		}
		r := m.referral(name)
		require.Equal(t, []any{f.referrer, f.state, f.bound}, []any{r.Referrer, r.State, r.Bound}, name)
		reward := m.brings(name)
		require.Equal(t, f.reward, reward.State, name)
		friends[f.referrer]++
		if f.reward == referral.RewardGranted {
			granted[f.referrer]++
			require.False(t, reward.Granted.Before(f.holdUntil), name)
		}
		for up, steps := f.referrer, 0; m.people[up].friend != nil; up = m.people[up].friend.referrer {
			steps++
			require.Less(t, steps, len(m.people), "referrals form a circle")
		}
	}
	for name, p := range m.people {
		require.LessOrEqual(t, m.places(name), modelCap)
		require.Equal(t, int64(m.places(name)), m.used(name, m.now), name)
		welcome := 0
		if p.friend != nil {
			welcome = 2
		}
		require.Equal(t, granted[name]+welcome, m.wallet(name), name)
		page, err := m.Friends(ctx, "invite", name, referral.TrackingQuery{})
		require.NoError(t, err)
		require.Len(t, page.Friends, friends[name])
	}
	page, err := m.store.List(ctx, storage.Query{Kind: "referral"})
	require.NoError(t, err)
	total := 0
	for _, n := range friends {
		total += n
	}
	require.Len(t, page.Docs, total, "one referral per friend")
}

func TestAnyCourseOfEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		t.Repeat(map[string]func(*rapid.T){
			"":         m.check,
			"link":     m.getLink,
			"touch":    m.follow,
			"register": m.registering,
			"pay":      m.pays,
			"return":   m.returns,
			"settle":   m.sweep,
			"pause":    m.pause,
			"wait": func(t *rapid.T) { // clocks go backwards too
				m.now = m.now.Add(time.Duration(rapid.SampledFrom([]int{-90, -1, 1, 59, 60, 1440, 2880, 7200}).Draw(t, "minutes")) * time.Minute)
			},
		})
		requireAudit(t, m.store)
	})
}
