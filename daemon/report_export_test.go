package daemon

import (
	"io"
	"time"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/procman"
)

// A Report is what the person who pushes reads.
type Report struct{ *report }

// A Built is a function that a push made.
type Built struct {
	Release  *denofn.Release
	Before   *denofn.Release // nil: it is new
	Static   int64
	Warnings denofn.Diagnostics
	Took     time.Duration
}

func NewReport(w io.Writer, terminal bool) Report { return Report{newReport(w, terminal)} }

func (r Report) Functions(built []Built, unchanged int, removed ...denofn.FunctionName) {
	before := make(map[denofn.FunctionName]*denofn.Release)
	var builds []build
	for _, b := range built {
		before[b.Release.Function] = b.Before
		builds = append(builds, build{release: b.Release, static: b.Static, warnings: b.Warnings, took: b.Took})
	}
	r.functions(builds, unchanged, removed,
		func(n denofn.FunctionName) *denofn.Release { return before[n] },
		func(n denofn.FunctionName) string { return "http://box:8000/" + string(n) })
}

func (r Report) Line(format string, args ...any)               { r.line(format, args...) }
func (r Report) Live(changed, removed int, took time.Duration) { r.live(changed, removed, took) }
func (r Report) Refuse(err error) error                        { return r.refuse(err) }
func (r Report) Progress(stage string, done, total int)        { r.progress(stage, done, total) }
func (r Report) StartFailure(f *denofn.Release, e *procman.StartError) error {
	return r.startFailure(f, e)
}
