package inbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/emersion/go-smtp"
	"golang.org/x/sync/errgroup"

	"github.com/steadfast-shop/steadfast/devstack/internal/page"
	"github.com/steadfast-shop/steadfast/devstack/internal/ports"
)

// Run takes mails on smtpPort and shows them on pagePort, with the mails kept
// in dir, until ctx ends.
func Run(ctx context.Context, smtpPort, pagePort int, dir string, logger *slog.Logger) error {
	var listen net.ListenConfig
	smtpListener, err := listen.Listen(ctx, "tcp", ports.Address(smtpPort))
	if err != nil {
		return fmt.Errorf("listen for mails: %w", err)
	}
	pageListener, err := listen.Listen(ctx, "tcp", ports.Address(pagePort))
	if err != nil {
		return errors.Join(fmt.Errorf("listen for the page: %w", err), smtpListener.Close())
	}
	store, err := OpenStore(filepath.Join(dir, "mails"))
	if err != nil {
		return errors.Join(err, smtpListener.Close(), pageListener.Close())
	}
	return errors.Join(serve(ctx, store, smtpListener, pageListener, logger), store.Close())
}

func serve(ctx context.Context, store *Store, smtpListener, pageListener net.Listener, logger *slog.Logger) error {
	mails := newSMTPServer(store, logger)
	group, ctx := errgroup.WithContext(ctx)
	mailPage := page.NewServer(ctx, newHandler(store))
	group.Go(func() error {
		if err := mails.Serve(turnListener{smtpListener}); err != nil && !errors.Is(err, smtp.ErrServerClosed) {
			return fmt.Errorf("serve SMTP: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		if err := mailPage.Serve(pageListener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve page: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), 500*time.Millisecond)
		defer cancel()
		// Mails under way are taken to their end. Connections without one are cut
		// off when the process ends: that is no fault.
		_ = mails.Shutdown(stopping)
		return errors.Join(smtpListenerClosed(smtpListener.Close()), mailPage.Close())
	})
	if err := group.Wait(); err != nil {
		return fmt.Errorf("inbox: %w", err)
	}
	return nil
}

// smtpListenerClosed forgives a second close: Shutdown closes the listener too,
// unless it came before the server had taken it.
func smtpListenerClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
