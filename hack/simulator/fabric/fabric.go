// SPDX-License-Identifier: Apache-2.0

package fabric

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"
)

// ProtocolTCP is the protocol number of the packets that the fabric carries.
const ProtocolTCP = 6

// Packet is what a network ACL sees of a packet that enters or leaves a subnet.
type Packet struct {
	SubnetID string
	// Egress: the packet leaves the subnet.
	Egress   bool
	Protocol int
	Src, Dst netip.AddrPort
}

// Judge reports whether a packet passes the network ACL that its subnet has at this instant. It is called from many
// goroutines at once, and must not call the fabric.
type Judge func(Packet) bool

// Host is an instance: where it is attached and its private address, and its IPv6 address if it has one.
type Host struct {
	SubnetID string
	IP       netip.Addr
	IPv6     netip.Addr
}

// from is the host's own address towards another one, invalid where it has none of the family.
func (h Host) from(to netip.Addr) netip.Addr {
	if to.Unmap().Is4() {
		return h.IP
	}
	return h.IPv6
}

// Backend opens a connection to the real server behind a simulated address. Where the connection has CloseWrite, as TCP
// has, a client that ends its side first is seen by the server as just that.
type Backend func(ctx context.Context) (net.Conn, error)

// Options of a Fabric. Only Judge is required.
type Options struct {
	Judge Judge
	// Scale divides every time of the TCP model, 1 when zero.
	Scale float64
}

// Fabric carries connections from hosts in subnets to registered servers.
type Fabric struct {
	judge Judge
	scale float64
	// closed ends the dials under way.
	closed chan struct{}
	// wg counts the goroutines of all links.
	wg sync.WaitGroup

	mu      sync.Mutex
	isDown  bool
	servers map[netip.AddrPort]Backend
	links   map[*link]struct{}
	ports   map[netip.Addr]uint16
}

// New gives a fabric without servers.
func New(o Options) *Fabric {
	f := &Fabric{
		judge:   o.Judge,
		scale:   o.Scale,
		closed:  make(chan struct{}),
		servers: map[netip.AddrPort]Backend{},
		links:   map[*link]struct{}{},
		ports:   map[netip.Addr]uint16{},
	}
	if f.scale <= 0 {
		f.scale = 1
	}
	return f
}

// Register puts a server at a simulated address, in place of what was there. Connections that exist stay as they are.
func (f *Fabric) Register(addr netip.AddrPort, b Backend) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.servers[addr] = b
}

// Unregister takes a server from a simulated address: from now on nothing answers there.
func (f *Fabric) Unregister(addr netip.AddrPort) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.servers, addr)
}

// Close ends every connection and dial, and waits for their goroutines.
func (f *Fabric) Close() error {
	f.mu.Lock()
	if !f.isDown {
		f.isDown = true
		close(f.closed)
	}
	links := make([]*link, 0, len(f.links))
	for l := range f.links {
		links = append(links, l)
	}
	f.mu.Unlock()
	for _, l := range links {
		l.abort()
	}
	f.wg.Wait()
	return nil
}

// TCP is the backend that dials a real TCP address, such as that of a listener on loopback.
func TCP(addr net.Addr) Backend {
	return func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, addr.Network(), addr.String())
	}
}

func (f *Fabric) backend(addr netip.AddrPort) Backend {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.servers[addr]
}

// Linux's range of ephemeral ports, which ACLs of careful people name.
const firstEphemeral, lastEphemeral = 32768, 60999

func (f *Fabric) ephemeralPort(ip netip.Addr) uint16 {
	f.mu.Lock()
	defer f.mu.Unlock()
	port, ok := f.ports[ip]
	if port++; !ok || port > lastEphemeral {
		port = firstEphemeral
	}
	f.ports[ip] = port
	return port
}

// add makes a link known, so that Close finds it; false when the fabric is closed already.
func (f *Fabric) add(l *link) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.isDown {
		return false
	}
	f.links[l] = struct{}{}
	f.wg.Add(2)
	return true
}

func (f *Fabric) forget(l *link) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.links, l)
}

// scaled is a duration of the TCP model as it passes here.
func (f *Fabric) scaled(d time.Duration) time.Duration {
	return time.Duration(float64(d) / f.scale)
}
