package systemd_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/denofn/denofn/systemd"
)

// The test binary is also the process that is passed sockets: what it is comes
// before anything else, as in a daemon.
const childEnv = "DENOFN_TEST_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childEnv) {
	case "listeners":
		listenersChild()
	default:
		os.Exit(m.Run())
	}
}

// listenersChild tells what Listeners returned, and answers one request on each.
func listenersChild() {
	if os.Getenv("LISTEN_PID") == "self" {
		os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
	}
	all, err := systemd.Listeners()
	for _, name := range []string{"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"} {
		if _, set := os.LookupEnv(name); set {
			fmt.Println("left in the environment:", name)
		}
	}
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	var names []string
	for name, listeners := range all {
		names = append(names, fmt.Sprintf("%s=%d", name, len(listeners)))
	}
	slices.Sort(names)
	fmt.Println("listeners:", strings.Join(names, " "))
	var answering sync.WaitGroup
	for name, listeners := range all {
		for _, l := range listeners {
			answering.Go(func() { answer(l, name) })
		}
	}
	answering.Wait()
}

func answer(l net.Listener, name string) {
	defer l.Close()
	conn, err := l.Accept()
	if err != nil {
		fmt.Println("accept:", err)
		return
	}
	defer conn.Close()
	io.WriteString(conn, name)
}
