package main

import (
	"bytes"
	"image"
	"image/png"
	"strings"
	"testing"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
	"github.com/stretchr/testify/require"
)

var addresses = []string{
	"https://shop.example/invite?code=7K2QX-00000-000Z",
	"https://shop.example/invite?t=v1.2026.N0syUVgwMDAwMDAwMFo.1800360000.UjOOmQiBhkpoDixokXoiVA",
	"https://shop.example/caf%C3%A9?code=JANE",
}

// What is drawn is read by another program's reader as the same address.
func TestPictureIsRead(t *testing.T) {
	for _, address := range addresses {
		var picture bytes.Buffer
		require.NoError(t, drawPNG(&picture, address))
		drawn, err := png.Decode(&picture)
		require.NoError(t, err)
		require.Equal(t, address, read(t, drawn))
	}
}

// The drawing for terminals has the same modules: it is read too.
func TestTextIsRead(t *testing.T) {
	for _, address := range addresses {
		var text strings.Builder
		require.NoError(t, drawText(&text, address))
		lines := strings.Split(strings.TrimSuffix(text.String(), "\n"), "\n")
		drawn := image.NewGray(image.Rect(0, 0, pixels*len([]rune(lines[0])), 2*pixels*len(lines)))
		for y, line := range lines {
			for x, block := range []rune(line) {
				upper, lower := strings.ContainsRune("█▀", block), strings.ContainsRune("█▄", block)
				fill(drawn, x, 2*y, upper)
				fill(drawn, x, 2*y+1, lower)
			}
		}
		require.Equal(t, address, read(t, drawn))
	}
}

func fill(to *image.Gray, x, y int, light bool) {
	for i := range pixels * pixels {
		if light {
			to.Pix[to.PixOffset(x*pixels+i%pixels, y*pixels+i/pixels)] = 0xff
		}
	}
}

func read(t *testing.T, drawn image.Image) string {
	t.Helper()
	bitmap, err := gozxing.NewBinaryBitmapFromImage(drawn)
	require.NoError(t, err)
	result, err := qrcode.NewQRCodeReader().Decode(bitmap, nil)
	require.NoError(t, err)
	return result.GetText()
}

func TestTooLong(t *testing.T) {
	var out bytes.Buffer
	require.Error(t, drawPNG(&out, "https://shop.example/"+strings.Repeat("x", 3000)))
	require.Error(t, drawText(&out, "https://shop.example/"+strings.Repeat("x", 3000)))
	require.Empty(t, out.Bytes())
}
