// SPDX-License-Identifier: Apache-2.0

package fabric

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
)

func TestBytesArriveBothWaysAndClosesAreSeen(t *testing.T) {
	inBubble(t, func(r *rig) {
		client, server := r.connect()
		atClient, atServer := collect(client), collect(server)
		r.send(client, "ping")
		r.arrived(atServer, "ping")
		r.send(server, "pong")
		r.arrived(atClient, "pong")

		r.Expect(client.Close()).To(Succeed())
		_, err := atServer.state()
		r.Expect(err).To(Equal(io.EOF))
		_, err = atClient.state()
		r.Expect(err).To(MatchError(net.ErrClosed))
		r.Expect(server.Close()).To(Succeed())
		synctest.Wait()
		r.Expect(r.fabric.links).To(BeEmpty(), "a connection that both closed leaves nothing behind")
	})
}

func TestServerCloseIsSeenAfterItsData(t *testing.T) {
	inBubble(t, func(r *rig) {
		client, server := r.connect()
		r.send(server, "bye")
		r.Expect(server.Close()).To(Succeed())
		got, err := io.ReadAll(client)
		r.Expect(err).NotTo(HaveOccurred())
		r.Expect(string(got)).To(Equal("bye"))
		r.Expect(client.Close()).To(Succeed())
		synctest.Wait()
		r.Expect(r.fabric.links).To(BeEmpty())
	})
}

// What is lost in either direction is sent again and arrives whole, in order, however long the path was down.
func TestLostBytesArriveInOrderWhenThePathReturns(t *testing.T) {
	for name, block := range map[string]func(*acl){
		"way out closed": func(a *acl) { a.set(true, false) },
		"way in closed":  func(a *acl) { a.set(false, true) },
		"both closed":    func(a *acl) { a.set(true, true) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				client, server := r.connect()
				defer server.Close()
				atClient, atServer := collect(client), collect(server)

				block(r.acl)
				for _, s := range []string{"a", "b", strings.Repeat("c", 5000), "d"} {
					r.send(client, s)
					r.send(server, strings.ToUpper(s))
					time.Sleep(time.Minute)
				}
				r.acl.set(false, false)
				time.Sleep(2 * time.Minute) // the longest that a retransmission is away
				r.arrived(atServer, "ab"+strings.Repeat("c", 5000)+"d")
				r.arrived(atClient, "AB"+strings.Repeat("C", 5000)+"D")
			})
		})
	}
}

func TestNothingArrivesWhileTheWayIsClosed(t *testing.T) {
	inBubble(t, func(r *rig) {
		client, server := r.connect()
		defer server.Close()
		atServer := collect(server)
		r.acl.set(true, false)
		r.send(client, "lost")
		time.Sleep(5 * time.Minute)
		r.arrived(atServer, "")
	})
}

// With only the way out closed, what the server sends next still arrives; once it notices that acknowledgements are
// missing, it holds the rest back.
func TestServerDataStillArrivesWhileOnlyTheWayOutIsClosed(t *testing.T) {
	inBubble(t, func(r *rig) {
		client, server := r.connect()
		defer server.Close()
		atClient := collect(client)
		r.acl.set(true, false)

		r.send(server, "1")
		r.arrived(atClient, "1")
		time.Sleep(minRTO / 2)
		r.send(server, "2")
		r.arrived(atClient, "12")

		time.Sleep(time.Minute)
		r.send(server, "3")
		time.Sleep(time.Minute)
		r.arrived(atClient, "12")

		r.acl.set(false, false)
		time.Sleep(2 * time.Minute)
		r.arrived(atClient, "123")
	})
}

func TestUnacknowledgedSegmentsAreLimited(t *testing.T) {
	inBubble(t, func(r *rig) {
		client, server := r.connect()
		defer server.Close()
		atClient := collect(client)
		r.acl.set(true, false)
		for range 20 {
			r.send(server, "x")
			synctest.Wait()
		}
		r.arrived(atClient, strings.Repeat("x", initialWindow))
	})
}

func TestSenderGivesUpAfterAQuarterOfAnHour(t *testing.T) {
	inBubble(t, func(r *rig) {
		client, server := r.connect()
		atClient, atServer := collect(client), collect(server)
		start := time.Now()
		r.acl.set(true, false)
		r.send(client, "from client")
		time.Sleep(time.Hour)

		_, err := atClient.state()
		r.Expect(err).To(MatchError(syscall.ETIMEDOUT))
		var opErr *net.OpError
		r.Expect(errors.As(err, &opErr)).To(BeTrue())
		r.Expect(atClient.end.Sub(start)).To(BeNumerically("~", 924600*time.Millisecond, time.Millisecond))
		r.arrived(atServer, "") // the server was not told

		// What the server sends now is answered by a host that has forgotten the connection.
		r.acl.set(false, false)
		r.send(server, "hello?")
		_, err = atServer.state()
		r.Expect(err).To(HaveOccurred())
		r.Expect(r.fabric.links).To(BeEmpty())
	})
}

func TestVanishedFINLeavesTheServerHalfOpen(t *testing.T) {
	inBubble(t, func(r *rig) {
		client, server := r.connect()
		atServer := collect(server)
		r.acl.set(true, false)
		r.Expect(client.Close()).To(Succeed())
		time.Sleep(30 * time.Second)
		r.arrived(atServer, "")

		// The orphan still repeats its FIN, so the server learns of it when the path is back.
		r.acl.set(false, false)
		time.Sleep(time.Minute)
		_, err := atServer.state()
		r.Expect(err).To(Equal(io.EOF))
		_ = server.Close()
	})
}

func TestForgottenConnectionIsAnsweredByAJudgedReset(t *testing.T) {
	inBubble(t, func(r *rig) {
		client, server := r.connect()
		atServer := collect(server)
		r.acl.set(true, false)
		r.Expect(client.Close()).To(Succeed())
		time.Sleep(10 * time.Minute) // the orphan gave up long ago
		r.send(server, "heartbeat")
		time.Sleep(time.Minute)
		r.arrived(atServer, "") // the RST vanished

		r.acl.set(false, false)
		time.Sleep(2 * time.Minute)
		_, err := atServer.state()
		r.Expect(err).To(HaveOccurred(), "the retransmission was answered by a RST")
		r.Expect(r.fabric.links).To(BeEmpty())
	})
}

func TestServerThatDiedIsAReset(t *testing.T) {
	inBubble(t, func(r *rig) {
		client, server := r.connect()
		atClient := collect(client)
		_ = server.(interface{ CloseRead() error }).CloseRead() // reads no more, and its writing side stays open
		r.send(client, "anyone?")
		_, err := atClient.state()
		r.Expect(err).To(MatchError(syscall.ECONNRESET))
		_ = server.Close()
	})
}

func TestDeadlines(t *testing.T) {
	inBubble(t, func(r *rig) {
		client, server := r.connect()
		defer server.Close()
		start := time.Now()
		r.Expect(client.SetReadDeadline(start.Add(3 * time.Minute))).To(Succeed())
		_, err := client.Read(make([]byte, 1))
		r.Expect(err).To(MatchError(os.ErrDeadlineExceeded))
		r.Expect(err).To(MatchError(MatchRegexp(`^read tcp 10\.0\.1\.10:\d+->52\.119\.223\.69:443: i/o timeout$`)))
		r.Expect(time.Since(start)).To(Equal(3 * time.Minute))

		r.Expect(client.SetDeadline(time.Time{})).To(Succeed())
		r.send(server, "x")
		r.Expect(client.Read(make([]byte, 1))).To(Equal(1))
	})
}

func TestWriteBlocksWhenNothingIsAcknowledged(t *testing.T) {
	inBubble(t, func(r *rig) {
		client, server := r.connect()
		defer server.Close()
		atServer := collect(server)
		r.acl.set(true, false)
		payload := strings.Repeat("y", 1<<20)
		time.AfterFunc(time.Minute, func() { r.acl.set(false, false) })
		start := time.Now()
		r.send(client, payload)
		r.Expect(time.Since(start)).To(BeNumerically(">=", time.Minute))
		got, err := atServer.state()
		r.Expect(err).NotTo(HaveOccurred())
		r.Expect(got).To(Equal(payload))

		r.acl.set(true, false)
		r.Expect(client.SetWriteDeadline(time.Now().Add(time.Second))).To(Succeed())
		n, err := io.WriteString(client, payload)
		r.Expect(err).To(MatchError(os.ErrDeadlineExceeded))
		r.Expect(n).To(BeNumerically("<=", 2*sendBuffer))
	})
}
