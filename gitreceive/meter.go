package gitreceive

import (
	"fmt"
	"io"
	"time"
)

// A meter shows how far long work is, as git does: on one line that is written
// over again. It is silent while the client sends, which shows a meter of its own,
// for what does not take long, and where there is no terminal.
type meter struct {
	w       io.Writer
	began   time.Time // of the stage; zero: nothing to show
	shown   time.Time
	percent int
}

// How long work takes before it is shown, and how often it is shown then.
const (
	meterDelay = time.Second
	meterPause = 200 * time.Millisecond
)

func (p *push) newMeter() *meter {
	if !p.request.capabilities.terminal() {
		return &meter{}
	}
	return &meter{w: p.progress}
}

const quietStage = "Receiving objects"

// update implements packfile.Options.Progress.
func (m *meter) update(stage string, done, total int) error {
	if m.w == nil || stage == quietStage || total == 0 {
		return nil
	}
	if m.began.IsZero() {
		m.began = time.Now()
		m.shown = m.began.Add(meterDelay - meterPause)
		return nil
	}
	percent := done * 100 / total
	if percent == m.percent || time.Since(m.shown) < meterPause {
		return nil
	}
	m.percent, m.shown = percent, time.Now()
	fmt.Fprintf(m.w, "Unpacking: %3d%% (%d/%d)\r", percent, done, total)
	return nil
}

// end closes the line.
func (m *meter) end() {
	if m.percent > 0 {
		fmt.Fprintf(m.w, "Unpacking: done in %s.          \n", time.Since(m.began).Round(100*time.Millisecond))
	}
}
