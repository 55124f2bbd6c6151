package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// A bench is the function's process and the proxies in front of it.
type bench struct {
	dir     string
	deno    string
	socket  string // of the function's process, which denofn starts
	proxies []*proxy
}

// A proxy is a running program that listens.
type proxy struct {
	name    string
	address string
	serves  bool // static files
	command *exec.Cmd
}

func newBench(deno string) (*bench, error) {
	deno, err := filepath.Abs(deno)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("/tmp", "b")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // workers of nginx have another user
		return nil, err
	}
	return &bench{dir: dir, deno: deno}, nil
}

func (b *bench) close() {
	for i := len(b.proxies) - 1; i >= 0; i-- {
		c := b.proxies[i].command
		c.Process.Signal(syscall.SIGTERM)
		c.Wait()
	}
	os.RemoveAll(b.dir)
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

// startAll starts denofn first: the socket of its process is the others' upstream.
func (b *bench) startAll() error {
	if err := b.startRole("denofn", true); err != nil {
		return err
	}
	if err := b.startNginx(); err != nil {
		return err
	}
	if err := b.startCaddy(); err != nil && !errors.Is(err, exec.ErrNotFound) {
		return err
	}
	for _, role := range []string{"fasthttp", "reverseproxy", "smallweb"} {
		if err := b.startRole(role, false); err != nil {
			return err
		}
	}
	return nil
}

// startRole starts this program again as one of the proxies. It says its address
// on its first line of output, and denofn the socket on the second.
func (b *bench) startRole(role string, serves bool) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	c := exec.Command(self, roleFlag, role, b.dir, b.deno, b.socket)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	p := &proxy{name: role, serves: serves, command: c}
	b.proxies = append(b.proxies, p)
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		return fmt.Errorf("%s did not start", role)
	}
	p.address = lines.Text()
	if role != "denofn" {
		return b.await(p)
	}
	if err := b.await(p); err != nil {
		return err
	}
	found, _ := filepath.Glob(b.path("r/bench-*/http.sock"))
	if len(found) != 1 {
		return fmt.Errorf("sockets of the function's process: %v", found)
	}
	b.socket = found[0]
	return openToOthers(b.path("r"), filepath.Dir(b.socket), b.socket)
}

// openToOthers lets the workers of nginx connect.
func openToOthers(paths ...string) error {
	for _, path := range paths {
		if err := os.Chmod(path, 0o777); err != nil {
			return err
		}
	}
	return nil
}

// await waits until the proxy answers from the function.
func (b *bench) await(p *proxy) error {
	var last error
	for range 400 {
		response, err := http.Get("http://" + p.address + "/bench")
		if err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
			err = errors.New(response.Status)
		}
		last = err
		time.Sleep(25 * time.Millisecond)
	}
	return fmt.Errorf("%s does not answer: %w", p.name, last)
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

const nginxConfig = `
worker_processes auto;
daemon off;
master_process on;
error_log DIR/nginx.log;
pid DIR/nginx.pid;
events { worker_connections 8192; }
http {
	access_log off;
	sendfile on;
	tcp_nopush on;
	keepalive_requests 1000000000;
	client_max_body_size 100m;
	client_body_temp_path DIR/nginx-body;
	proxy_temp_path DIR/nginx-proxy;
	fastcgi_temp_path DIR/nginx-f;
	uwsgi_temp_path DIR/nginx-u;
	scgi_temp_path DIR/nginx-s;
	upstream function { server unix:SOCKET; keepalive 512; keepalive_requests 1000000000; }
	server {
		listen ADDRESS backlog=4096;
		location /bench {
			rewrite ^/bench/?(.*)$ /$1 break;
			proxy_pass http://function;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_set_header Host $http_host;
			proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
			proxy_set_header X-Forwarded-Host $http_host;
			proxy_set_header X-Forwarded-Proto $scheme;
			proxy_set_header X-Forwarded-Prefix /bench;
			proxy_set_header X-Request-Id $request_id;
			proxy_request_buffering off;
		}
		location /bench/events {
			rewrite ^/bench/?(.*)$ /$1 break;
			proxy_pass http://function;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_buffering off;
		}
		location /site/ { alias DIR/site/; default_type text/plain; }
	}
}
`

func (b *bench) startNginx() error {
	return b.startConfigured("nginx", nginxConfig, true, func(path string) *exec.Cmd { return exec.Command("nginx", "-e", b.path("nginx.log"), "-c", path) })
}

const caddyConfig = `
{
	admin off
	auto_https off
}
http://ADDRESS {
	handle_path /bench* {
		reverse_proxy unix/SOCKET {
			flush_interval -1
			transport http {
				keepalive_idle_conns 1024
				keepalive_idle_conns_per_host 1024
			}
		}
	}
	handle_path /site/* {
		root * DIR/site
		file_server
	}
}
`

func (b *bench) startCaddy() error {
	return b.startConfigured("caddy", caddyConfig, true, func(path string) *exec.Cmd {
		return exec.Command("caddy", "run", "--adapter", "caddyfile", "--config", path)
	})
}

func (b *bench) startConfigured(name, config string, serves bool, command func(path string) *exec.Cmd) error {
	address, err := freeAddress()
	if err != nil {
		return err
	}
	config = strings.NewReplacer("DIR", b.dir, "SOCKET", b.socket, "ADDRESS", address).Replace(config)
	path := b.path(name + ".conf")
	if err := os.WriteFile(path, []byte(config), 0o644); err != nil {
		return err
	}
	c := command(path)
	c.Env = []string{"PATH=" + os.Getenv("PATH") + ":/usr/sbin", "HOME=" + b.dir}
	log, err := os.Create(b.path(name + ".out"))
	if err != nil {
		return err
	}
	c.Stdout, c.Stderr = log, log
	if err := c.Start(); err != nil {
		return err
	}
	p := &proxy{name: name, address: address, serves: serves, command: c}
	b.proxies = append(b.proxies, p)
	return b.await(p)
}
