package daemon

// What tests reach of the daemon's own.
var (
	FirstFrame  = firstFrame
	NeedRestart = needRestart
)
