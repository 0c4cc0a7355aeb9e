package release

import (
	"fmt"
	"time"

	"fairlead.dev"
)

// Seen is what the loop saw of the world around a release. It must be of the
// same moment as the release: seen afresh after every transition.
type Seen struct {
	Endpoint fairlead.Endpoint // as stored
	Gone     bool              // the endpoint does not exist any more
	Gateways Gateways
	// Trips that gateways report for strata of the present attempt.
	Trips []fairlead.Trip
	// Verdicts of the release's gates, one each and in their order, on the
	// evidence of the present attempt (core/gate).
	Verdicts []fairlead.Verdict
	// Samples is how many requests the candidate answered in the present step.
	Samples int64
	// Problem is why an effect of this release keeps failing, if one does. It is
	// told in Why; it decides nothing.
	Problem string
}

// Gateways is what is known of the endpoint's gateways.
type Gateways struct {
	Live    int    // heard of within GatewayTTL
	Applied int    // of Live, those that serve by the route this release's status asks for
	Failed  string // why one of Live could not take that route; empty if none failed
}

// GatewayTTL is how long a gateway counts as live after its last report.
const GatewayTTL = 15 * time.Second

// GatewayStoredEach is how often it is stored that a gateway is alive while it
// says nothing new. Who knows of gateways from what is stored alone must grant
// that much on top of GatewayTTL.
const GatewayStoredEach = time.Minute

// LoadGrace is how long a step may wait for a candidate that a gateway reports
// it cannot load: long enough for a passing trouble (gateways try again), short
// against the default progress deadline, since a candidate that cannot load
// will not prove itself.
const LoadGrace = time.Minute

func (g Gateways) all() bool { return g.Live > 0 && g.Applied == g.Live }

func (g Gateways) String() string {
	switch {
	case g.Failed != "":
		return fmt.Sprintf("%d of %d gateways serve it; one cannot: %s", g.Applied, g.Live, g.Failed)
	case g.Live == 0:
		return "no gateway has reported lately"
	}
	return fmt.Sprintf("%d of %d gateways serve it", g.Applied, g.Live)
}

// Next is what follows.
type Next struct {
	Release fairlead.Release // with its new status; commands are never touched
	// Endpoint is the endpoint's new status when it changed, else nil; to be
	// committed together with the release.
	Endpoint *fairlead.EndpointStatus
	// Changed says that there is a transition to commit; Record is its one
	// ledger record. Both are zero when nothing changes.
	Changed bool
	Record  Record
	// Route says that the endpoint's route must be compiled anew.
	Route bool
	// Wake is when to look again though nothing was heard; zero: not before
	// something is. After a transition it is now.
	Wake time.Time
	// Why says in sentences what happened or what is waited for.
	Why []string
}

// Record is what the ledger is told of one transition.
type Record struct {
	Verb     string // release.<row>
	From, To string // phase step weight
	Reason   string
	Message  string
	Judged   bool // verdicts were decisive: the evidence belongs into the entry
}

// Word is a status in one short phrase, as the ledger's From and To carry it:
// "Progressing 2/6 5%".
func Word(s fairlead.ReleaseStatus) string {
	w := fmt.Sprintf("%s %d/%d %v", s.Phase, min(s.Step+1, len(s.Steps)), len(s.Steps), s.Weight)
	if s.Mirror > 0 {
		w += fmt.Sprintf(" mirror %v", s.Mirror)
	}
	return w
}

// MayApprove reports whether a person may give an approval: by the token's name
// or one of its roles; anyone who may command releases when a.By is empty. No
// role stands above the one that was asked for, admin neither: an admin who
// must approve makes a token with that role, and the ledger shows it.
func MayApprove(a fairlead.Approve, by string, roles []string) bool {
	if a.By == "" || a.By == by {
		return true
	}
	for _, r := range roles {
		if r == a.By {
			return true
		}
	}
	return false
}

// Lacking is the first approval that a promotion of r by this person would
// skip though it is not theirs to give: the present step's or, in full, that of
// any step to come. It is nil when nothing stands against the promotion.
func Lacking(r fairlead.Release, full bool, by string, roles []string) *fairlead.Approve {
	to := r.Status.Step + 1
	if full {
		to = len(r.Status.Steps)
	}
	return lacking(r, to, by, roles)
}

func lacking(r fairlead.Release, to int, by string, roles []string) *fairlead.Approve {
	st := r.Status
	for i := st.Step; i < min(to, len(st.Steps)); i++ {
		a := st.Steps[i].Approve
		if a != nil && !(i == st.Step && given(st)) && !MayApprove(*a, by, roles) {
			return a
		}
	}
	return nil
}
