package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/denofn/denofn"
)

// Config is what a Server is made of. All fields are required but the last.
type Config struct {
	API API
	// MaxInput is the longest input of a call, in bytes.
	MaxInput int64
	Logger   *slog.Logger
	// Handlers are further paths to serve, as patterns of http.ServeMux: "GET /metrics".
	Handlers map[string]http.Handler
}

// A Server offers an API on a socket. Whoever can connect may use all of it, so
// the socket's permissions are what protects it.
type Server struct {
	config Config
	http   http.Server
}

const (
	exitCodeHeader = "Denofn-Exit-Code"
	statusHeader   = "Denofn-Status"
)

// redeployed is the answer to a redeploy.
type redeployed struct {
	Report string `json:"report"`
}

// NewServer returns a Server that is not serving yet.
func NewServer(c Config) (*Server, error) {
	if c.API == nil || c.Logger == nil || c.MaxInput <= 0 {
		return nil, errors.New("configure admin server: API, Logger and MaxInput are required")
	}
	s := &Server{config: c}
	mux := http.NewServeMux()
	for pattern, handler := range c.Handlers {
		mux.Handle(pattern, handler)
	}
	mux.HandleFunc("GET /v1/version", answer(s, func(r *http.Request) (any, error) { return c.API.Version(r.Context()) }))
	mux.HandleFunc("GET /v1/functions", answer(s, func(r *http.Request) (any, error) { return c.API.Functions(r.Context()) }))
	mux.HandleFunc("GET /v1/doctor", answer(s, func(r *http.Request) (any, error) { return c.API.Doctor(r.Context()) }))
	mux.HandleFunc("POST /v1/redeploy/{name}", answer(s, func(r *http.Request) (any, error) {
		report, err := c.API.Redeploy(r.Context(), r.PathValue("name"))
		if err == nil {
			c.Logger.Info("asked over the admin socket", "action", "redeploy", "repository", r.PathValue("name"))
		}
		return redeployed{report}, err
	}))
	mux.HandleFunc("GET /v1/keys", answer(s, func(r *http.Request) (any, error) { return c.API.Keys(r.Context()) }))
	mux.HandleFunc("DELETE /v1/functions/{name}", s.do("rm", c.API.Remove))
	mux.HandleFunc("POST /v1/functions/{name}/warm", s.do("warm", c.API.Warm))
	mux.HandleFunc("POST /v1/functions/{name}/stop", s.do("stop", c.API.Stop))
	mux.HandleFunc("POST /v1/functions/{name}/invoke", s.invoke)
	mux.HandleFunc("GET /v1/functions/{name}/releases", answer(s, func(r *http.Request) (any, error) {
		name, err := functionOf(r)
		if err != nil {
			return nil, err
		}
		return c.API.Releases(r.Context(), name)
	}))
	mux.HandleFunc("POST /v1/functions/{name}/rollback", answer(s, func(r *http.Request) (any, error) {
		name, err := functionOf(r)
		if err != nil {
			return nil, err
		}
		release, err := c.API.Rollback(r.Context(), name, r.URL.Query().Get("release"))
		if err == nil {
			s.asked("rollback", name)
		}
		return release, err
	}))
	mux.HandleFunc("GET /v1/functions/{name}/logs", s.logs)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, &Error{Code: CodeUnknown, Message: fmt.Sprintf("there is no %s %s in this version of the API", r.Method, r.URL.Path)})
	})
	s.http = http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(c.Logger.Handler(), slog.LevelWarn),
	}
	return s, nil
}

// Serve serves until Shutdown, and returns nil then.
func (s *Server) Serve(l net.Listener) error {
	if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Shutdown lets what has begun end. When ctx ends first, it is cut off.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		s.http.Close()
	}
	return err
}

// asked notes who did what: actions are rare, and the log is where they are looked
// for later.
func (s *Server) asked(action string, name denofn.FunctionName) {
	s.config.Logger.Info("asked over the admin socket", "action", action, "function", name)
}

// answer makes a handler of a call whose result is written as JSON.
func answer(s *Server, call func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		value, err := call(r)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		s.write(w, http.StatusOK, value)
	}
}

// do makes a handler of an action on a function.
func (s *Server) do(action string, call func(context.Context, denofn.FunctionName) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		name, err := functionOf(r)
		if err == nil {
			err = call(r.Context(), name)
		}
		if err != nil {
			s.fail(w, r, err)
			return
		}
		s.asked(action, name)
		s.write(w, http.StatusOK, struct{}{})
	}
}

func (s *Server) invoke(w http.ResponseWriter, r *http.Request) {
	name, err := functionOf(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	input, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.config.MaxInput))
	if _, tooLong := errors.AsType[*http.MaxBytesError](err); tooLong {
		err = &Error{Code: CodeInvalid, Message: fmt.Sprintf("the input is longer than %d bytes", s.config.MaxInput), Hint: "http.max_body in denofn.toml is the limit"}
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	result, err := s.config.API.Invoke(r.Context(), Call{Function: name, Input: input, ContentType: r.Header.Get("Content-Type")})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	contentType := result.ContentType
	if contentType == "" {
		contentType = "application/octet-stream"
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set(exitCodeHeader, strconv.Itoa(result.ExitCode))
	w.Header().Set(statusHeader, strconv.Itoa(result.Status))
	w.Write(result.Output)
}

// logs answers with an entry a line, as they come.
func (s *Server) logs(w http.ResponseWriter, r *http.Request) {
	name, err := functionOf(r)
	q := LogsQuery{Function: name, Follow: r.URL.Query().Has("follow")}
	if err == nil {
		if q.Most, err = strconv.Atoi(r.URL.Query().Get("most")); err != nil || q.Most < 0 {
			err = &Error{Code: CodeInvalid, Message: "most= must be how many entries are wanted"}
		}
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	begun := false
	begin := func() {
		if !begun {
			begun = true
			w.Header().Set("Content-Type", "application/x-ndjson")
			w.WriteHeader(http.StatusOK)
		}
	}
	lines := json.NewEncoder(w)
	flush := http.NewResponseController(w)
	err = s.config.API.Logs(r.Context(), q, func(e LogEntry) error {
		begin()
		if err := lines.Encode(e); err != nil {
			return err
		}
		if q.Follow {
			return flush.Flush()
		}
		return nil
	})
	if err != nil && !begun {
		s.fail(w, r, err)
		return
	}
	begin()
}

func functionOf(r *http.Request) (denofn.FunctionName, error) {
	name, err := denofn.ParseFunctionName(r.PathValue("name"))
	if err != nil {
		return "", &Error{Code: CodeInvalid, Message: err.Error()}
	}
	return name, nil
}

func (s *Server) write(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(value); err != nil {
		s.config.Logger.Debug("admin answer not sent", "error", err)
	}
}

// fail answers with an error. One that is no Error is the daemon's own: it is
// logged, and the client learns no more than that.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	e, ok := errors.AsType[*Error](err)
	switch {
	case ok:
	case r.Context().Err() != nil: // the client has gone
		return
	default:
		s.config.Logger.Error("admin request failed", "method", r.Method, "path", r.URL.Path, "error", err)
		e = &Error{Code: CodeInternal, Message: "this did not work", Hint: "the log of the daemon says why"}
	}
	s.write(w, statusOf(e.Code), struct {
		Error *Error `json:"error"`
	}{e})
}
