//! Pictures made to fit: decoded within bounds, turned upright, made smaller until WhatsApp takes them. What a file holds
//! besides the picture (where it was taken, with which camera) does not leave the host then.
//!
//! A picture is work for a processor and tens of megabytes: one at a time, and never on the runtime's own threads.

use std::fmt;
use std::io::Cursor;

use bytes::Bytes;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::metadata::Orientation;
use image::{DynamicImage, GenericImageView, ImageDecoder, ImageFormat, ImageReader, Limits, Rgb, RgbImage, RgbaImage};
use questline_core::media::{FOLDER, Facts, Format, IMAGE_BYTES_MAX, Unfit, Verdict, judge, sniff};
use questline_core::message::MediaKind;
use tokio::sync::Semaphore;

use crate::game::Bundle;

/// Pixels on a side: what has more is no picture for a telephone.
const SIDE_MAX: u32 = 16_384;
/// Bytes of a picture once it is decoded: 24 million pixels of four bytes, 32 million of three.
const DECODED_BYTES_MAX: u64 = 96 << 20;
/// Bytes that the decoder itself may take, the picture included.
const DECODER_BYTES_MAX: u64 = 128 << 20;
/// Pixels on a side that a telephone shows; WhatsApp itself keeps no more.
const SHOWN_SIDE_MAX: u32 = 4_096;
/// How good a JPEG is at first, and then.
const QUALITIES: [u8; 2] = [88, 75];
/// Tries at ever smaller sizes: the last has a hundredth of the pixels.
const SIZES_MAX: u32 = 8;
/// Pictures at once.
static AT_ONCE: Semaphore = Semaphore::const_new(1);

/// A file as it is sent.
#[derive(Debug)]
pub(super) struct Fitted {
    pub(super) bytes: Bytes,
    pub(super) mime: &'static str,
    /// It is not what it was.
    pub(super) is_changed: bool,
}

/// Why a file cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Misfit {
    /// By its kind or length.
    Unfit(Unfit),
    /// It is too large once it is decoded.
    Pixels { width: u32, height: u32 },
    /// It is no picture, whatever its first bytes say.
    Broken(String),
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unfit(unfit) => unfit.fmt(f),
            Self::Pixels { width, height } => {
                write!(f, "it has {width} x {height} pixels, more than are decoded: 24 million with an alpha channel, 32 million without")
            }
            Self::Broken(problem) => write!(f, "it cannot be decoded: {problem}"),
        }
    }
}

/// The file as WhatsApp takes it, sent as this.
pub(super) async fn fit(kind: MediaKind, bytes: Bytes) -> Result<Fitted, Misfit> {
    match judge(kind, Facts::of(&bytes)) {
        Verdict::Fits(mime) => Ok(Fitted { bytes, mime, is_changed: false }),
        Verdict::Refused(unfit) => Err(Misfit::Unfit(unfit)),
        Verdict::Reencode => {
            let broken = |problem: String| Misfit::Broken(problem);
            let _turn = AT_ONCE.acquire().await.map_err(|problem| broken(problem.to_string()))?;
            let made = tokio::task::spawn_blocking(move || reencode(&bytes)).await;
            // A decoder that panics has met a picture that is none.
            made.unwrap_or_else(|_| Err(broken("the decoder gave up".to_owned())))
        }
    }
}

/// The first file of a release that cannot be sent as what it is, and why.
pub(crate) async fn check_files(bundle: &Bundle) -> Result<(), (String, Misfit)> {
    let folder = format!("{FOLDER}/");
    for (path, bytes) in bundle.files().iter().filter(|(path, _)| path.starts_with(&folder)) {
        let kind = sniff(bytes).map_or(MediaKind::Document, Format::kind);
        fit(kind, bytes.clone()).await.map_err(|misfit| (path.clone(), misfit))?;
    }
    Ok(())
}

fn broken(problem: image::ImageError) -> Misfit {
    let mut words = problem.to_string();
    words.truncate(words.floor_char_boundary(200));
    Misfit::Broken(words)
}

fn format_of(bytes: &[u8]) -> Option<ImageFormat> {
    Some(match sniff(bytes)? {
        Format::Jpeg { .. } => ImageFormat::Jpeg,
        Format::Png { .. } => ImageFormat::Png,
        Format::Webp { .. } => ImageFormat::WebP,
        _ => return None,
    })
}

fn decode(bytes: &[u8]) -> Result<DynamicImage, Misfit> {
    let format = format_of(bytes).ok_or_else(|| Misfit::Broken("it is no picture".to_owned()))?;
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(SIDE_MAX), Some(SIDE_MAX));
    limits.max_alloc = Some(DECODER_BYTES_MAX);
    // The sides are looked at before anything is made of that size.
    let (width, height) = ImageReader::with_format(Cursor::new(bytes), format).into_dimensions().map_err(broken)?;
    if width > SIDE_MAX || height > SIDE_MAX {
        return Err(Misfit::Pixels { width, height });
    }
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(broken)?;
    if decoder.total_bytes() > DECODED_BYTES_MAX {
        return Err(Misfit::Pixels { width, height });
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(broken)?;
    image.apply_orientation(orientation);
    Ok(image)
}

/// A JPEG, or a PNG where parts of it are seen through, of at most 5 MB.
fn reencode(bytes: &[u8]) -> Result<Fitted, Misfit> {
    let mut image = decode(bytes)?;
    let (width, height) = image.dimensions();
    if width.max(height) > SHOWN_SIDE_MAX {
        image = image.thumbnail(SHOWN_SIDE_MAX, SHOWN_SIDE_MAX);
    }
    let fits = |bytes: &Vec<u8>| bytes.len() as u64 <= IMAGE_BYTES_MAX;
    let changed = |bytes: Vec<u8>, mime| Fitted { bytes: bytes.into(), mime, is_changed: true };
    let mut image = match image.color().has_alpha() {
        false => image.into_rgb8(),
        true => {
            let image = image.into_rgba8();
            if image.pixels().any(|pixel| pixel.0[3] != u8::MAX) {
                let png = png(&image)?;
                if fits(&png) {
                    return Ok(changed(png, "image/png"));
                }
            }
            on_white(&image)
        }
    };
    for _ in 0..SIZES_MAX {
        for quality in QUALITIES {
            let mut jpeg = Vec::new();
            JpegEncoder::new_with_quality(&mut jpeg, quality).encode_image(&image).map_err(broken)?;
            if fits(&jpeg) {
                return Ok(changed(jpeg, "image/jpeg"));
            }
        }
        let smaller = |side: u32| (side * 3 / 4).max(1);
        let (width, height) = (smaller(image.width()), smaller(image.height()));
        image = image::imageops::thumbnail(&image, width, height);
    }
    Err(Misfit::Broken("it does not become small enough".to_owned()))
}

fn png(image: &RgbaImage) -> Result<Vec<u8>, Misfit> {
    let mut png = Vec::new();
    image.write_with_encoder(PngEncoder::new(&mut png)).map_err(broken)?;
    Ok(png)
}

/// A JPEG has no alpha: what is seen through becomes white.
fn on_white(image: &RgbaImage) -> RgbImage {
    let mut plain = RgbImage::new(image.width(), image.height());
    for (to, from) in plain.pixels_mut().zip(image.pixels()) {
        let [red, green, blue, alpha] = from.0.map(u32::from);
        let over = |colour: u32| ((colour * alpha + 255 * (255 - alpha)) / 255) as u8;
        *to = Rgb([over(red), over(green), over(blue)]);
    }
    plain
}

#[cfg(test)]
mod tests;
