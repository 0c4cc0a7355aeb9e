package loop

import (
	"context"
	"encoding/json"
	"sort"
	"strings"
	"time"

	"fairlead.dev"
	"fairlead.dev/bus"
	"fairlead.dev/core/evidence"
	"fairlead.dev/core/release"
	"fairlead.dev/store"
)

// Bounds of what gateways may report.
const (
	maxReport   = 64 << 20 // bytes of one report
	maxGateways = 1000     // of one endpoint
	maxStrata   = 256      // windows of one report
)

const (
	flushEach = time.Second // evidence of an endpoint is stored at most this often
)

// intake is what gateways reported of one endpoint and is not stored yet. The
// Runner's mu guards it.
type intake struct {
	gateways map[string]*heard
	flushed  time.Time // when it was last stored
	urgent   bool      // something was reported that must not wait
}

// heard is one gateway's latest report.
type heard struct {
	report  fairlead.GatewayReport // without windows
	at      time.Time
	windows map[fairlead.Stratum]fairlead.Window // not stored yet
	taken   map[fairlead.Stratum]edition         // of the windows taken last: gateways say each more than once
	dirty   bool                                 // report changed since it was stored
	stored  time.Time                            // when the gateway's document was last written
	reports int64                                // counts the reports taken
}

// edition tells a window from a later one of the same gateway and stratum: as
// counters only grow, so does their sum.
type edition struct {
	start, end time.Time
	sum        int64
}

func editionOf(w fairlead.Window) edition {
	e := edition{start: w.Start, end: w.End}
	for _, c := range w.Arms {
		e.sum += c.Requests + c.Errors + c.Dropped + c.Compared + c.Differed
		for _, m := range c.Metrics {
			e.sum += m.N
		}
	}
	return e
}

// Report takes a gateway's report. Counters wait for the next flush (at most
// flushEach); a trip, a new route in force or a failure to take one is due at
// once. A report older than the latest of its gateway is ignored. The error has
// code Invalid or Limited, and then nothing was taken.
func (r *Runner) Report(_ context.Context, rep fairlead.GatewayReport) error {
	if err := checkReport(rep); err != nil {
		return err
	}
	now := r.cfg.Env.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	in := r.intake[rep.Endpoint]
	if in == nil {
		in = &intake{gateways: map[string]*heard{}}
		r.intake[rep.Endpoint] = in
	}
	h := in.gateways[rep.Gateway]
	if h == nil {
		if len(in.gateways) >= maxGateways {
			return fairlead.Errorf(fairlead.Limited, "endpoint %s has %d gateways already", rep.Endpoint, maxGateways)
		}
		h = &heard{dirty: true, windows: map[fairlead.Stratum]fairlead.Window{}, taken: map[fairlead.Stratum]edition{}}
		in.gateways[rep.Gateway] = h
		in.urgent = true
	} else if rep.Seq < h.report.Seq && rep.Revision <= h.report.Revision {
		return nil // (an endpoint made anew counts from one again, under a newer route)
	}
	for _, w := range rep.Windows {
		if e := editionOf(w); w.Stratum.Release != "" && h.taken[w.Stratum] != e { // (evidence at rest is judged by nobody)
			if len(h.taken) >= 4*maxStrata {
				clear(h.taken) // costs no more than storing some once again
			}
			h.taken[w.Stratum], h.windows[w.Stratum] = e, w
		}
	}
	rep.Windows = nil
	if differs(h.report, rep) {
		h.dirty, in.urgent = true, true
	}
	h.report, h.at = rep, now
	h.reports++
	return nil
}

// differs: more than counters is new.
func differs(a, b fairlead.GatewayReport) bool {
	return a.Revision != b.Revision || a.Stratum != b.Stratum || a.Failed != b.Failed || a.Error != b.Error || len(a.Trips) != len(b.Trips)
}

func checkReport(rep fairlead.GatewayReport) error {
	faults := fairlead.CheckName("/endpoint", rep.Endpoint)
	if faults == nil {
		faults = fairlead.CheckName("/gateway", rep.Gateway)
	}
	if len(rep.Home) > fairlead.MaxName {
		faults = append(faults, fairlead.Fault{Path: "/home", Message: "longer than 63 bytes"})
	}
	if rep.Gateway == evidence.MarksPart {
		faults = append(faults, fairlead.Fault{Path: "/gateway", Message: "this name is not a gateway's"})
	}
	if len(rep.Windows) > maxStrata {
		return fairlead.Errorf(fairlead.Limited, "a report of %d windows; at most %d are taken", len(rep.Windows), maxStrata)
	}
	for _, w := range rep.Windows {
		s := w.Stratum
		if s.Release != "" && (len(fairlead.CheckName("", s.Release)) > 0 || s.Attempt < 1 || s.Attempt > 9999 || s.Step < 0 || s.Step > 9999) ||
			w.Endpoint != rep.Endpoint {
			faults = append(faults, fairlead.Fault{Path: "/windows", Message: "not a stratum of this endpoint", Got: w.Endpoint + " " + s.String()})
		}
	}
	return fairlead.Faulty("gateway "+rep.Gateway+" sent a report that cannot be taken", faults)
}

// hear takes reports from the bus; it must not block, so it only notes them.
func (r *Runner) hear(m bus.Message) {
	var rep fairlead.GatewayReport
	err := error(nil)
	if len(m.Data) > maxReport {
		err = fairlead.Errorf(fairlead.TooLarge, "the report is larger than %d bytes", maxReport)
	} else if len(m.Data) == 0 {
		return // taken back
	} else if err = json.Unmarshal(m.Data, &rep); err == nil {
		err = r.Report(context.Background(), rep)
	}
	if err != nil {
		r.log.Warn("a gateway's report was not taken", "key", m.Key, "error", err)
		return
	}
	r.queue.poke(Work{Window, rep.Endpoint})
}

// reported lists the endpoints with something to store, in order.
func (r *Runner) reported() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var names []string
	for name, in := range r.intake {
		for _, h := range in.gateways {
			if h.dirty || len(h.windows) > 0 {
				names = append(names, name)
				break
			}
		}
	}
	sort.Strings(names)
	return names
}

// batch is what one flush stores of one gateway.
type batch struct {
	h       *heard
	reports int64 // h's, when the batch was made
	gateway evidence.Gateway
	windows map[fairlead.Stratum]fairlead.Window
}

// passWindow stores what gateways reported of an endpoint, all in one commit:
// windows and gateway documents have one writer, so they need no guard, and
// their counters are cumulative, so a repeated or skipped write does no harm.
func (r *Runner) passWindow(ctx context.Context, endpoint string) (time.Time, error) {
	now := r.cfg.Env.Now()
	early, due, batches := r.take(endpoint, now)
	if len(batches) == 0 {
		return due, nil
	}
	c := store.Commit{}
	strata := map[fairlead.Stratum]map[string]fairlead.Window{}
	for _, b := range batches {
		data, err := encode(b.gateway)
		if err != nil {
			return time.Time{}, err
		}
		c.Put = append(c.Put, store.Put{Kind: fairlead.KindGateway, Key: evidence.GatewayKey(endpoint, b.gateway.Gateway), IfRev: store.AnyRev, Data: data})
		for s, w := range b.windows {
			if data, err = encode(w); err != nil {
				return time.Time{}, err
			}
			c.Put = append(c.Put, store.Put{Kind: fairlead.KindWindow, Key: evidence.Key(endpoint, s, b.gateway.Gateway), IfRev: store.AnyRev, Data: data})
			if strata[s] == nil {
				strata[s] = map[string]fairlead.Window{}
			}
			strata[s][b.gateway.Gateway] = w
		}
	}
	if !early {
		for s, fresh := range strata {
			put, err := r.mark(ctx, endpoint, s, fresh, now)
			if err != nil {
				return time.Time{}, err
			}
			c.Put = append(c.Put, put...)
		}
	}
	sort.Slice(c.Put, func(i, j int) bool { return c.Put[i].Kind+"/"+c.Put[i].Key < c.Put[j].Kind+"/"+c.Put[j].Key })
	if err := r.commit(ctx, c); err != nil {
		return time.Time{}, err // nothing was taken off: the next flush stores it
	}
	r.flushed(endpoint, batches, now, early)
	return time.Time{}, nil
}

// take looks at what is to store now. Early says that the flush comes before
// its time because something must not wait; due is when it comes otherwise.
func (r *Runner) take(endpoint string, now time.Time) (early bool, due time.Time, batches []batch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	in := r.intake[endpoint]
	if in == nil {
		return false, time.Time{}, nil
	}
	early = now.Before(in.flushed.Add(flushEach))
	names := make([]string, 0, len(in.gateways))
	for name, h := range in.gateways {
		if h.dirty || len(h.windows) > 0 || h.at.Sub(h.stored) >= release.GatewayStoredEach {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return early, time.Time{}, nil
	}
	if early && !in.urgent {
		return early, in.flushed.Add(flushEach), nil
	}
	sort.Strings(names)
	for _, name := range names {
		h := in.gateways[name]
		b := batch{h: h, reports: h.reports, gateway: evidence.Gateway{GatewayReport: h.report, Seen: h.at}, windows: map[fairlead.Stratum]fairlead.Window{}}
		for s, w := range h.windows {
			b.windows[s] = w
		}
		batches = append(batches, b)
	}
	return early, time.Time{}, batches
}

// flushed takes what was stored off the intake; what was reported meanwhile
// stays for the next flush.
func (r *Runner) flushed(endpoint string, batches []batch, now time.Time, early bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	in := r.intake[endpoint]
	if in == nil {
		return // the endpoint was removed meanwhile
	}
	in.urgent = false
	if !early {
		in.flushed = now
	}
	for _, b := range batches {
		b.h.stored = now
		if b.h.reports == b.reports {
			b.h.dirty = false
			clear(b.h.windows)
		} else {
			in.urgent = in.urgent || b.h.dirty
		}
	}
	for name, h := range in.gateways {
		if now.Sub(h.at) > silentAfter && !h.dirty && len(h.windows) == 0 {
			delete(in.gateways, name)
		}
	}
}

// forget drops what is known of an endpoint's gateways.
func (r *Runner) forget(endpoint string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.intake, endpoint)
}

// live gives the endpoint's gateways that were heard of within GatewayTTL, by
// id. What is stored is overlaid by what was heard since, but for trips and
// failures, which count once stored: only stored things decide.
func (r *Runner) live(ctx context.Context, endpoint string) ([]evidence.Gateway, error) {
	docs, err := r.cfg.Store.List(ctx, fairlead.KindGateway, endpoint+"/", "", 0)
	if err != nil {
		return nil, err
	}
	now := r.cfg.Env.Now()
	var live []evidence.Gateway
	for _, d := range docs {
		g, err := decode[evidence.Gateway](&r.memory, d)
		if err != nil {
			return nil, err
		}
		_, id, _ := strings.Cut(d.Key, "/")
		r.mu.Lock()
		if in := r.intake[endpoint]; in != nil && in.gateways[id] != nil && in.gateways[id].at.After(g.Seen) {
			g.Seen = in.gateways[id].at
		}
		r.mu.Unlock()
		if now.Before(g.Seen.Add(release.GatewayTTL)) {
			live = append(live, g)
		}
	}
	return evidence.Current(live), nil
}
