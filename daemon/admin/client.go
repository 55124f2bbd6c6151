package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"syscall"

	"github.com/denofn/denofn"
)

// A Client is the API of a daemon at the other end of its socket. It is safe for
// concurrent use.
type Client struct {
	socket string
	http   http.Client
}

var _ API = (*Client)(nil)

// NewClient returns a Client of the daemon that listens on the Unix socket.
func NewClient(socket string) *Client {
	c := &Client{socket: socket}
	c.http.Transport = &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
		DisableKeepAlives: true,
	}
	return c
}

// Version implements API.
func (c *Client) Version(ctx context.Context) (*Version, error) {
	v := new(Version)
	return v, c.call(ctx, http.MethodGet, "/v1/version", v)
}

// Functions implements API.
func (c *Client) Functions(ctx context.Context) ([]Function, error) {
	var all []Function
	return all, c.call(ctx, http.MethodGet, "/v1/functions", &all)
}

// Doctor implements API.
func (c *Client) Doctor(ctx context.Context) ([]Check, error) {
	var all []Check
	return all, c.call(ctx, http.MethodGet, "/v1/doctor", &all)
}

// Warm implements API.
func (c *Client) Warm(ctx context.Context, name denofn.FunctionName) error {
	return c.call(ctx, http.MethodPost, "/v1/functions/"+string(name)+"/warm", nil)
}

// Stop implements API.
func (c *Client) Stop(ctx context.Context, name denofn.FunctionName) error {
	return c.call(ctx, http.MethodPost, "/v1/functions/"+string(name)+"/stop", nil)
}

// Remove implements API.
func (c *Client) Remove(ctx context.Context, name denofn.FunctionName) error {
	return c.call(ctx, http.MethodDelete, "/v1/functions/"+string(name), nil)
}

// Redeploy implements API.
func (c *Client) Redeploy(ctx context.Context, name string) (string, error) {
	var answer redeployed
	err := c.call(ctx, http.MethodPost, "/v1/redeploy/"+url.PathEscape(name), &answer)
	return answer.Report, err
}

// Keys implements API.
func (c *Client) Keys(ctx context.Context) (*Keys, error) {
	k := new(Keys)
	return k, c.call(ctx, http.MethodGet, "/v1/keys", k)
}

// Logs implements API.
func (c *Client) Logs(ctx context.Context, q LogsQuery, each func(LogEntry) error) error {
	path := fmt.Sprintf("/v1/functions/%s/logs?most=%d", q.Function, q.Most)
	if q.Follow {
		path += "&follow"
	}
	response, err := c.send(ctx, http.MethodGet, path, "", nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	for entries := json.NewDecoder(response.Body); ; {
		var e LogEntry
		if err := entries.Decode(&e); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read entries: %w", err)
		}
		if err := each(e); err != nil {
			return err
		}
	}
}

// Releases implements API.
func (c *Client) Releases(ctx context.Context, name denofn.FunctionName) ([]Release, error) {
	var all []Release
	return all, c.call(ctx, http.MethodGet, "/v1/functions/"+string(name)+"/releases", &all)
}

// Rollback implements API.
func (c *Client) Rollback(ctx context.Context, name denofn.FunctionName, id string) (*Release, error) {
	r := new(Release)
	return r, c.call(ctx, http.MethodPost, "/v1/functions/"+string(name)+"/rollback?release="+url.QueryEscape(id), r)
}

// Invoke implements API.
func (c *Client) Invoke(ctx context.Context, call Call) (*Result, error) {
	response, err := c.send(ctx, http.MethodPost, "/v1/functions/"+string(call.Function)+"/invoke", call.ContentType, call.Input)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	r := &Result{ContentType: response.Header.Get("Content-Type")}
	if r.ExitCode, err = strconv.Atoi(response.Header.Get(exitCodeHeader)); err != nil {
		return nil, errors.New("the daemon did not tell the exit code")
	}
	r.Status, _ = strconv.Atoi(response.Header.Get(statusHeader))
	if r.Output, err = io.ReadAll(response.Body); err != nil {
		return nil, fmt.Errorf("read result: %w", err)
	}
	return r, nil
}

// call sends a request without a body and reads its answer into value, unless
// that is nil.
func (c *Client) call(ctx context.Context, method, path string, value any) error {
	response, err := c.send(ctx, method, path, "", nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if value == nil {
		return nil
	}
	if err := json.NewDecoder(response.Body).Decode(value); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	return nil
}

// send returns an answer that is no error. The caller closes its body.
func (c *Client) send(ctx context.Context, method, path, contentType string, body []byte) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://denofn"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	response, err := c.http.Do(r)
	if err != nil {
		return nil, c.explain(err)
	}
	if response.StatusCode == http.StatusOK {
		return response, nil
	}
	defer response.Body.Close()
	var answer struct{ Error *Error }
	text, _ := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err := json.Unmarshal(text, &answer); err != nil || answer.Error == nil {
		return nil, fmt.Errorf("the daemon answered %s", response.Status)
	}
	return nil, answer.Error
}

// explain says what a socket that cannot be connected to means.
func (c *Client) explain(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return &Error{Code: CodeUnavailable, Message: fmt.Sprintf("you may not use %s", c.socket),
			Hint: "become root, or have yourself added to the group of the file (adduser YOU denofn-admin)"}
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return &Error{Code: CodeUnavailable, Message: fmt.Sprintf("the daemon does not run: nobody listens on %s", c.socket),
			Hint: "start it (systemctl start denofn), or name its configuration with --config"}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	return &Error{Code: CodeUnavailable, Message: fmt.Sprintf("the daemon at %s does not answer: %v", c.socket, errors.Unwrap(err))}
}
