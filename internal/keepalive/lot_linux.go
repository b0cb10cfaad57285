package keepalive

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

const canPark = true

// lot is where connections are parked: sockets in one epoll instance, for which one goroutine waits.
type lot struct {
	wake  func(*net.TCPConn)
	fd    int
	epoll *os.File // the same, for Go's own poller
	raw   syscall.RawConn

	mu     sync.Mutex
	closed bool
	spaces map[int32]space // by socket
}

type space struct {
	conn  *net.TCPConn
	until time.Time
}

// expireEvery is how often those are looked for whose time is over, while any are parked.
const expireEvery = time.Second

// newLot gives an empty lot, which hands those that speak to wake.
func newLot(wake func(*net.TCPConn)) (*lot, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make a set of sockets: %w", err)
	}
	// Go's own poller, which is epoll too, can wait for this one when it does not block.
	if err := syscall.SetNonblock(fd, true); err != nil {
		return nil, errors.Join(err, syscall.Close(fd))
	}
	l := &lot{wake: wake, fd: fd, epoll: os.NewFile(uintptr(fd), "parked connections"), spaces: map[int32]space{}}
	if l.raw, err = l.epoll.SyscallConn(); err != nil {
		return nil, errors.Join(err, l.epoll.Close())
	}
	if err := l.epoll.SetReadDeadline(time.Time{}); err != nil {
		return nil, errors.Join(fmt.Errorf("wait for a set of sockets: %w", err), l.epoll.Close())
	}
	go l.run()
	return l, nil
}

// park takes a connection, to be closed at until when it has said nothing by then. False means that it was not taken.
func (l *lot) park(c *net.TCPConn, until time.Time) bool {
	if c.SetDeadline(time.Time{}) != nil {
		return false
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	added := false
	err = raw.Control(func(fd uintptr) {
		event := syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLRDHUP, Fd: int32(fd)} // #nosec G115 -- the kernel's sockets are ints
		if added = syscall.EpollCtl(l.fd, syscall.EPOLL_CTL_ADD, int(fd), &event) == nil; added {
			l.spaces[event.Fd] = space{c, until}
		}
	})
	if added && len(l.spaces) == 1 {
		l.setAlarm()
	}
	return added && err == nil
}

func (l *lot) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.spaces)
}

func (l *lot) run() {
	events := make([]syscall.EpollEvent, 256)
	for {
		n, err := l.wait(events)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		for _, e := range events[:n] {
			if c := l.leave(e.Fd); c != nil {
				l.wake(c)
			}
		}
		if err != nil {
			l.expire(time.Now())
		}
	}
}

// wait waits for sockets that can be read or have ended.
func (l *lot) wait(events []syscall.EpollEvent) (n int, err error) {
	waited := l.raw.Read(func(fd uintptr) bool {
		n, err = syscall.EpollWait(int(fd), events, 0) // #nosec G115 -- as above
		if errors.Is(err, syscall.EINTR) {
			err = nil
		}
		return n > 0 || err != nil
	})
	return max(n, 0), errors.Join(err, waited)
}

// leave takes a connection out of the lot; nil when it is not there.
func (l *lot) leave(socket int32) *net.TCPConn {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.remove(socket)
}

func (l *lot) remove(socket int32) *net.TCPConn {
	s, ok := l.spaces[socket]
	if !ok {
		return nil
	}
	delete(l.spaces, socket)
	_ = syscall.EpollCtl(l.fd, syscall.EPOLL_CTL_DEL, int(socket), nil)
	return s.conn
}

// expire closes those whose time is over.
func (l *lot) expire(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for socket, s := range l.spaces {
		if !s.until.After(now) {
			_ = l.remove(socket).Close()
		}
	}
	l.setAlarm()
}

// setAlarm lets the wait end in time to look for those whose time is over. The lock must be held.
func (l *lot) setAlarm() {
	var at time.Time
	if len(l.spaces) > 0 {
		at = time.Now().Add(expireEvery)
	}
	_ = l.epoll.SetReadDeadline(at)
}

func (l *lot) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	for socket := range l.spaces {
		_ = l.remove(socket).Close()
	}
	return l.epoll.Close()
}
