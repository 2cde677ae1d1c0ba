package referral

import (
	"reflect"
	"testing"

	"github.com/vouch-go/vouch/coupon/strict/stricttest"
)

// The schema says what the code reads and writes.
func TestProgramSchemaIsTheTypes(t *testing.T) {
	stricttest.Compare(t, stricttest.Schema{
		Text: programSchema, Types: map[string]any{"": programDocument{}},
		Names: map[reflect.Type][]string{
			reflect.TypeFor[Side]():        {string(Referrer), string(Referee)},
			reflect.TypeFor[Step]():        {string(Registered), string(Qualified)},
			reflect.TypeFor[Trigger]():     {string(OnRegistration), string(OnFact)},
			reflect.TypeFor[Shortfall]():   {string(ShortfallKeeps), string(ShortfallReduces)},
			reflect.TypeFor[Debt]():        {string(DebtSetOff), string(DebtReviewed)},
			reflect.TypeFor[Verdict]():     {string(Approve), string(Deny)},
			reflect.TypeFor[Action]():      {string(ActionAllow), string(ActionScore), string(ActionReview), string(ActionWithhold), string(ActionReject)},
			reflect.TypeFor[CheckKind]():   checkNames(),
			reflect.TypeFor[Attribution](): {"last_touch", "first_touch"},
		},
	})
}

func checkNames() []string {
	var names []string
	for _, k := range checkKinds {
		names = append(names, string(k.kind))
	}
	return names
}
