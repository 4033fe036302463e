//! Pictures that are made to fit.
#![allow(clippy::unwrap_used)]
use image::{ImageEncoder as _, Luma, Rgba};

use super::*;

/// Noise, which nothing makes smaller.
fn noise(width: u32, height: u32) -> RgbImage {
    let mut state = 0x9e37_79b9_u32;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state
    };
    RgbImage::from_fn(width, height, |_, _| {
        let [red, green, blue, _] = next().to_be_bytes();
        Rgb([red, green, blue])
    })
}

fn as_png(image: &DynamicImage) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn verdict(bytes: &[u8]) -> Verdict {
    judge(MediaKind::Image, Facts::of(bytes))
}

#[tokio::test]
async fn a_picture_over_five_megabytes_is_made_to_fit() {
    let png = as_png(&noise(1_500, 1_300).into());
    assert!(png.len() as u64 > IMAGE_BYTES_MAX);
    let fitted = fit(MediaKind::Image, png.into()).await.unwrap();
    assert!(fitted.is_changed && verdict(&fitted.bytes) == Verdict::Fits("image/jpeg"));
    let made = image::load_from_memory(&fitted.bytes).unwrap();
    assert_eq!((made.width(), made.height()), (1_500, 1_300), "it is as large as it was");
}

#[test]
fn what_is_seen_through_stays_so_where_it_fits_and_is_white_elsewhere() {
    let mut small = RgbaImage::from_pixel(64, 64, Rgba([255, 0, 0, 255]));
    small.put_pixel(0, 0, Rgba([0, 0, 0, 0]));
    let mut webp = Cursor::new(Vec::new());
    DynamicImage::from(small).write_to(&mut webp, ImageFormat::WebP).unwrap();
    let webp = webp.into_inner();
    assert_eq!(verdict(&webp), Verdict::Reencode);
    let fitted = reencode(&webp).unwrap();
    assert_eq!(verdict(&fitted.bytes), Verdict::Fits("image/png"));
    assert_eq!(image::load_from_memory(&fitted.bytes).unwrap().to_rgba8().get_pixel(0, 0).0[3], 0);
    let half = on_white(&RgbaImage::from_pixel(1, 1, Rgba([255, 0, 0, 127])));
    assert_eq!(half.get_pixel(0, 0).0, [255, 128, 128]);
}

#[test]
fn sixteen_bits_and_grey_become_what_meta_takes() {
    let deep = as_png(&DynamicImage::from(noise(8, 8)).into_rgb16().into());
    let grey = as_png(&DynamicImage::from(image::GrayImage::from_pixel(8, 8, Luma([7]))));
    for bytes in [deep, grey] {
        assert_eq!(verdict(&bytes), Verdict::Reencode);
        assert!(matches!(verdict(&reencode(&bytes).unwrap().bytes), Verdict::Fits("image/jpeg")));
    }
}

#[test]
fn a_picture_is_turned_upright_and_tells_nothing_else() {
    // A JPEG with an EXIF part that says "turned by 90 degrees", and where it was taken.
    let mut jpeg = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut jpeg, 90);
    let mut exif = b"MM\0*\0\0\0\x08\0\x02\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\x01\x0e\0\x02\0\0\0\x0c\0\0\0\x26\0\0\0\0".to_vec();
    exif.extend_from_slice(b"home address");
    encoder.set_exif_metadata(exif).unwrap();
    encoder.encode_image(&noise(40, 20)).unwrap();
    assert!(jpeg.windows(12).any(|part| part == b"home address"));
    let fitted = reencode(&jpeg).unwrap();
    let made = image::load_from_memory(&fitted.bytes).unwrap();
    assert_eq!((made.width(), made.height()), (20, 40));
    assert!(!fitted.bytes.windows(12).any(|part| part == b"home address"));
}

/// A PNG that says it has these sides, with next to nothing in it.
fn claim(width: u32, height: u32) -> Vec<u8> {
    let mut png = as_png(&DynamicImage::from(RgbaImage::new(1, 1)).into_rgba16().into());
    png[16..20].copy_from_slice(&width.to_be_bytes());
    png[20..24].copy_from_slice(&height.to_be_bytes());
    let mut crc = 0xffff_ffff_u32;
    for byte in &png[12..29] {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    png[29..33].copy_from_slice(&(!crc).to_be_bytes());
    png
}

#[test]
fn a_decompression_bomb_is_refused_by_its_header() {
    for (width, height) in [(60_000, 60_000), (16_384, 16_384), (1, 4_000_000_000), (16_385, 1)] {
        let refused = reencode(&claim(width, height)).unwrap_err();
        assert!(matches!(refused, Misfit::Pixels { .. }), "{width} x {height}: {refused}");
    }
    // Within the bounds, and still nothing in it.
    assert!(matches!(reencode(&claim(1_000, 1_000)), Err(Misfit::Broken(_))));
}

#[test]
fn what_is_broken_is_said_to_be() {
    let png = as_png(&noise(50, 50).into());
    for bytes in [&png[..png.len() / 2], &png[..20], b"\xff\xd8\xff\xe0 not a picture", b"RIFF\0\0\0\0WEBPVP8 x", b"MZ"] {
        assert!(matches!(reencode(bytes), Err(Misfit::Broken(_))));
    }
}
