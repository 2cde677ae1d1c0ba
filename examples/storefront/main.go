// A small shop one can click through, built on nothing but vouch's public API: personal links, coupons,
// a checkout with payments that fail or come late, returns, and pages for staff.
//
//	go run ./examples/storefront                                   on an SQLite file in a temporary folder
//	go run ./examples/storefront -db shop.db                       on an SQLite file that stays
//	go run ./examples/storefront -db postgres://user@host/database on PostgreSQL
//	go run ./examples/storefront -db mysql://user:password@host/db on MySQL or MariaDB
//	go run ./examples/storefront -load 30s -db postgres://…        a flash sale: 200 shoppers at once
//
// It listens on http://localhost:8080 and prints how staff sign in.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	addr := flag.String("addr", "localhost:8080", "where to listen")
	database := flag.String("db", "", "the file of an SQLite database, or the URL of a PostgreSQL or MySQL one; empty: a temporary file")
	password := flag.String("staff-password", "", "what staff sign in with; empty: a random one is made and printed")
	secure := flag.Bool("secure", false, "set when browsers reach it through TLS: cookies are then for TLS only")
	sale := load{cap: 500, budget: price("500.00")}
	flag.DurationVar(&sale.lasts, "load", 0, "instead of opening the shop, hold a flash sale for this long and say how it went")
	flag.IntVar(&sale.shoppers, "shoppers", 200, "with -load: how many there are at once")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if sale.lasts > 0 {
		if err := atSale(ctx, *database, sale); err != nil {
			fmt.Fprintln(os.Stderr, "storefront:", err)
			os.Exit(1)
		}
		return
	}
	if err := run(ctx, *addr, *database, *password, *secure); err != nil {
		fmt.Fprintln(os.Stderr, "storefront:", err)
		os.Exit(1)
	}
}

// temporary gives a file of its own where no database is named.
func temporary(database string) (string, func(), error) {
	if database != "" {
		return database, func() {}, nil
	}
	folder, err := os.MkdirTemp("", "vouch-storefront-")
	return filepath.Join(folder, "shop.db"), func() { _ = os.RemoveAll(folder) }, err
}

func atSale(ctx context.Context, database string, sale load) error {
	database, remove, err := temporary(database)
	if err != nil {
		return err
	}
	defer remove()
	return runLoad(ctx, database, sale, os.Stdout)
}

// run serves the shop until the context ends.
func run(ctx context.Context, addr, database, password string, secure bool) (err error) {
	database, remove, err := temporary(database)
	if err != nil {
		return err
	}
	defer remove()
	if password == "" {
		password = randomToken()[:12]
	}
	shop, err := openShop(ctx, database, password)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shop.db.Close()) }()
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Printf("The shop is open: http://%s\n", listener.Addr())
	if shop.newStaff {
		fmt.Printf("Staff sign in as %s with the password %s\n", staffEmail, password)
	}
	site, err := newSite(shop, secure)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	server := &http.Server{Handler: site.handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 20 * time.Second, WriteTimeout: 60 * time.Second}
	go func() {
		<-ctx.Done()
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := server.Shutdown(late); err != nil {
			slog.Warn("shutting down", "error", err)
		}
	}()
	go shop.upkeep(ctx)
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
