// A personal link as a QR code, to be printed or shown.
//
//	go run ./examples/qrcode https://shop.example/invite?code=7K2QX-00000-000Z > link.png
//	go run ./examples/qrcode -text https://shop.example/invite?code=7K2QX-00000-000Z
package main

import (
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"os"
	"strings"

	"github.com/boombuler/barcode"
	"github.com/boombuler/barcode/qr"
)

func main() {
	text := flag.Bool("text", false, "draw it in the terminal")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: qrcode [-text] <address>")
		os.Exit(2)
	}
	draw := drawPNG
	if *text {
		draw = drawText
	}
	if err := draw(os.Stdout, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "qrcode:", err)
		os.Exit(1)
	}
}

// encode makes the code, with the share of redundancy that print asks for: 15 % of it
// may be damaged.
func encode(address string) (barcode.Barcode, error) {
	return qr.Encode(address, qr.M, qr.Auto)
}

const (
	pixels = 8 // a module's side in the picture
	quiet  = 4 // modules of margin, as ISO/IEC 18004 asks for
)

// drawPNG draws the code as a picture, black on white.
func drawPNG(w io.Writer, address string) error {
	code, err := encode(address)
	if err != nil {
		return err
	}
	side := (code.Bounds().Dx() + 2*quiet) * pixels
	picture := image.NewPaletted(image.Rect(0, 0, side, side), color.Palette{color.White, color.Black})
	for y := range side {
		for x := range side {
			if dark(code, x/pixels-quiet, y/pixels-quiet) {
				picture.SetColorIndex(x, y, 1)
			}
		}
	}
	return png.Encode(w, picture)
}

// drawText draws the code with half blocks, two modules to a character.
func drawText(w io.Writer, address string) error {
	code, err := encode(address)
	if err != nil {
		return err
	}
	side := code.Bounds().Dx()
	var text strings.Builder
	for y := -quiet; y < side+quiet; y += 2 {
		for x := -quiet; x < side+quiet; x++ {
			upper, lower := dark(code, x, y), dark(code, x, y+1)
			text.WriteString(map[[2]bool]string{{false, false}: "█", {false, true}: "▀", {true, false}: "▄", {true, true}: " "}[[2]bool{upper, lower}])
		}
		text.WriteByte('\n')
	}
	_, err = io.WriteString(w, text.String())
	return err
}

// dark says that a module is black; those of the margin are not.
func dark(code barcode.Barcode, x, y int) bool {
	at := image.Pt(x, y)
	if !at.In(code.Bounds()) {
		return false
	}
	r, _, _, _ := code.At(x, y).RGBA()
	return r == 0
}
