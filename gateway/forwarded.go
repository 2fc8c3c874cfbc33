package main

import (
	"net/http"
	"net/http/httputil"
	"net/netip"
	"strings"
)

// Headers that tell who asked, and how, before proxies came between.
const (
	headerForwardedFor   = "X-Forwarded-For"
	headerForwardedHost  = "X-Forwarded-Host"
	headerForwardedProto = "X-Forwarded-Proto"
)

// trust lists the networks of the proxies in front of the gateway. What anybody else says about forwarding is not believed.
type trust []netip.Prefix

func (t trust) holds(address netip.Addr) bool {
	for _, prefix := range t {
		if prefix.Contains(address) {
			return true
		}
	}
	return false
}

// clientOf returns the address of the client: the peer's, or, behind trusted proxies, the last in X-Forwarded-For that is not one of theirs.
func (t trust) clientOf(r *http.Request) netip.Addr {
	client := peerOf(r)
	// All lines count as one list: reading only the first would let a client put its own in front.
	hops := strings.Split(strings.Join(r.Header.Values(headerForwardedFor), ","), ",")
	for i := len(hops) - 1; i >= 0 && t.holds(client); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		client = hop.Unmap()
	}
	return client
}

// setForwarded tells the upstream who asked. ReverseProxy has removed what the client sent; what a trusted proxy said is put back and added to.
func (t trust) setForwarded(pr *httputil.ProxyRequest) {
	trusted := t.holds(peerOf(pr.In))
	if prior := pr.In.Header.Values(headerForwardedFor); trusted && len(prior) > 0 {
		pr.Out.Header[headerForwardedFor] = prior
	}
	pr.SetXForwarded()
	for _, name := range []string{headerForwardedHost, headerForwardedProto} {
		if prior := pr.In.Header.Get(name); trusted && prior != "" {
			pr.Out.Header.Set(name, prior)
		}
	}
}

// peerOf returns the address at the other end of the connection.
func peerOf(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil { // not a TCP connection: no network holds the zero address
		return netip.Addr{}
	}
	return peer.Addr().Unmap().WithZone("")
}
