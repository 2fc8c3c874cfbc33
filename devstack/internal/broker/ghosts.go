package broker

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	ghostLook   = 5 * time.Second
	ghostWithin = 10 * time.Second
	// ghostMargin is how much longer than its session time-out a member must be
	// silent; a broker that knows better acts first.
	ghostMargin = 5 * time.Second
	// longestSession counts for members whose time-out is not known.
	longestSession = 45 * time.Second
)

// ghosts ends the membership of those that have died. kfake times a member's
// session, but not that of one whose connection was gone when its join was to be
// answered: its partitions would be nobody's for ever.
type ghosts struct {
	now func() time.Time

	mu      sync.Mutex
	heard   map[string]time.Time // by member
	session map[string]time.Duration
}

func newGhosts(now func() time.Time) *ghosts {
	return &ghosts{now: now, heard: make(map[string]time.Time), session: make(map[string]time.Duration)}
}

// watch notes every sign of life of the cluster's members.
func (g *ghosts) watch(cluster *kfake.Cluster) {
	for _, key := range []kmsg.Key{kmsg.JoinGroup, kmsg.SyncGroup, kmsg.Heartbeat, kmsg.OffsetCommit} {
		cluster.ControlKey(key.Int16(), func(request kmsg.Request) (kmsg.Response, error, bool) {
			g.note(request)
			return nil, nil, false // the cluster answers
		})
	}
}

func (g *ghosts) note(request kmsg.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch r := request.(type) {
	case *kmsg.JoinGroupRequest:
		g.heard[r.MemberID] = g.now()
		g.session[r.MemberID] = time.Duration(r.SessionTimeoutMillis) * time.Millisecond
	case *kmsg.SyncGroupRequest:
		g.heard[r.MemberID] = g.now()
	case *kmsg.HeartbeatRequest:
		g.heard[r.MemberID] = g.now()
	case *kmsg.OffsetCommitRequest:
		g.heard[r.MemberID] = g.now()
	}
}

// silent returns the members that have not been heard of for too long, and forgets
// those that are no members any more.
func (g *ghosts) silent(members []string) []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	heard, session := make(map[string]time.Time), make(map[string]time.Duration)
	var found []string
	for _, member := range members {
		last, known := g.heard[member]
		if !known {
			last = g.now() // it is counted from now on
		}
		timeout, known := g.session[member]
		if !known {
			timeout = longestSession
		}
		heard[member], session[member] = last, timeout
		if g.now().Sub(last) > timeout+ghostMargin {
			found = append(found, member)
		}
	}
	g.heard, g.session = heard, session
	return found
}

// run looks for dead members until ctx ends.
func (g *ghosts) run(ctx context.Context, address string, logger *slog.Logger) {
	client, err := kgo.NewClient(kgo.SeedBrokers(address))
	if err != nil {
		logger.Error("look for dead members", "error", err)
		return
	}
	defer client.Close()
	ticker := time.NewTicker(ghostLook)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if err := g.evict(ctx, client, logger); err != nil && ctx.Err() == nil {
			logger.Warn("look for dead members", "error", err)
		}
	}
}

// evict has the silent members of all groups leave. A group that is rebalancing is
// left alone: there members wait without a sign.
func (g *ghosts) evict(ctx context.Context, client *kgo.Client, logger *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, ghostWithin)
	defer cancel()
	list, err := kmsg.NewPtrListGroupsRequest().RequestWith(ctx, client)
	if err != nil {
		return err
	}
	describe := kmsg.NewPtrDescribeGroupsRequest()
	for _, group := range list.Groups {
		describe.Groups = append(describe.Groups, group.Group)
	}
	if len(describe.Groups) == 0 {
		return nil
	}
	described, err := describe.RequestWith(ctx, client)
	if err != nil {
		return err
	}
	groups, members := make(map[string]string), []string(nil)
	for _, group := range described.Groups {
		if group.State != "Stable" {
			g.hold(group.Members)
		}
		for _, member := range group.Members {
			groups[member.MemberID], members = group.Group, append(members, member.MemberID)
		}
	}
	for _, member := range g.silent(members) {
		leave := kmsg.NewPtrLeaveGroupRequest()
		leave.Group, leave.MemberID = groups[member], member
		one := kmsg.NewLeaveGroupRequestMember()
		one.MemberID = member
		leave.Members = append(leave.Members, one)
		if _, err := leave.RequestWith(ctx, client); err != nil {
			return err
		}
		logger.Warn("a member that has died was taken out of its group", "group", groups[member], "member", member)
	}
	return nil
}

// hold counts members as heard of.
func (g *ghosts) hold(members []kmsg.DescribeGroupsResponseGroupMember) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, member := range members {
		g.heard[member.MemberID] = g.now()
	}
}
