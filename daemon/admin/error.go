package admin

import (
	"errors"
	"net/http"
)

// An Error is one that a person can do something about.
type Error struct {
	Code    Code     `json:"code"`
	Message string   `json:"message"`          // what happened, one line
	Hint    string   `json:"hint,omitempty"`   // what to do about it
	Output  []string `json:"output,omitempty"` // what a process wrote before it ended
}

func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Message
	}
	return e.Message + ": " + e.Hint
}

// A Code tells programs what kind of error it is.
type Code string

// The codes of an Error.
const (
	CodeInvalid     Code = "invalid"      // the request makes no sense
	CodeUnknown     Code = "unknown"      // there is no such function
	CodeConflict    Code = "conflict"     // the function is not of a kind that can do this
	CodeStartFailed Code = "start_failed" // the function has no process: its fault
	CodeBusy        Code = "busy"         // later
	CodeUnavailable Code = "unavailable"  // the daemon does not run, or stops
	CodeTimeout     Code = "timeout"      // it took too long
	CodeInternal    Code = "internal"     // the daemon's log says more
)

// statusOf maps an error to an HTTP status.
func statusOf(code Code) int {
	switch code {
	case CodeInvalid:
		return http.StatusBadRequest
	case CodeUnknown:
		return http.StatusNotFound
	case CodeConflict:
		return http.StatusConflict
	case CodeStartFailed:
		return http.StatusBadGateway
	case CodeBusy, CodeUnavailable:
		return http.StatusServiceUnavailable
	case CodeTimeout:
		return http.StatusGatewayTimeout
	}
	return http.StatusInternalServerError
}

// CodeOf returns the code of an error, CodeInternal if it is no Error.
func CodeOf(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return CodeInternal
}

// Explain makes a finding of an error.
func Explain(name string, err error) Check {
	c := Check{Name: name, State: Problem, Detail: err.Error()}
	if e, ok := errors.AsType[*Error](err); ok {
		c.Detail, c.Hint = e.Message, e.Hint
	}
	return c
}
