//! What a file is, by its first bytes and nothing else: names and declared types are whatever a sender wants them to be.

use super::Format;

/// Bytes that tell of anything but office documents, whose kind stands further in.
pub const SNIFF_BYTES: usize = 4096;
/// How far in the parts of an office document are looked for, from the front and from the end.
const OFFICE_BYTES: usize = 256 * 1024;
/// Markers of a JPEG that are gone through to its frame.
const JPEG_MARKERS_MAX: usize = 512;

/// What these bytes are the beginning of. More of a file tells more: an office document is an archive by its first bytes.
pub fn sniff(bytes: &[u8]) -> Option<Format> {
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    let at = |place: usize, magic: &[u8]| bytes.get(place..place + magic.len()) == Some(magic);
    Some(match bytes {
        [0xff, 0xd8, 0xff, ..] => Format::Jpeg { plain: is_plain_jpeg(bytes) },
        _ if starts(b"\x89PNG\r\n\x1a\n") => Format::Png { plain: is_plain_png(bytes) },
        _ if starts(b"RIFF") && at(8, b"WEBP") => Format::Webp { moving: at(12, b"VP8X") && bytes.get(20).is_some_and(|f| f & 0x02 != 0) },
        _ if starts(b"RIFF") && at(8, b"AVI ") => Format::Avi,
        _ if starts(b"RIFF") && at(8, b"WAVE") => Format::Wav,
        _ if starts(b"GIF87a") || starts(b"GIF89a") => Format::Gif,
        _ if starts(b"II*\0") || starts(b"MM\0*") => Format::Tiff,
        _ if at(4, b"ftyp") => return brand(bytes),
        _ if starts(b"\x1a\x45\xdf\xa3") => Format::Matroska,
        _ if starts(b"#!AMR") => Format::Amr,
        _ if starts(b"OggS") => match at(28, b"OpusHead") {
            true => Format::OggOpus,
            false => Format::Ogg,
        },
        _ if starts(b"fLaC") => Format::Flac,
        _ if starts(b"ID3") => Format::Mp3,
        _ if starts(b"%PDF-") => Format::Pdf,
        _ if starts(b"PK\x03\x04") => archive(bytes),
        _ if starts(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") => compound(bytes),
        // Twelve bits of sync, then: MPEG-4 or 2, layer 0 is AAC; layer III is MP3.
        [0xff, second, ..] if second & 0xf6 == 0xf0 => Format::Aac,
        [0xff, second, third, ..] if second & 0xe6 == 0xe2 && third & 0xf0 != 0xf0 => Format::Mp3,
        _ if starts(b"BM") && at(6, &[0; 4]) => Format::Bmp,
        _ if is_text(bytes) => Format::Text,
        _ => return None,
    })
}

/// Meta takes RGB and RGBA of 8 bits: bit depth and colour type of the header (PNG, 11.2.2).
fn is_plain_png(bytes: &[u8]) -> bool {
    matches!((bytes.get(24), bytes.get(25)), (Some(8), Some(2 | 6)))
}

/// Three components of 8 bits, in the frame's header (ITU T.81, B.2.2). It may stand behind thumbnails and the like.
fn is_plain_jpeg(bytes: &[u8]) -> bool {
    let mut place = 2;
    for _ in 0..JPEG_MARKERS_MAX {
        let (Some(0xff), Some(marker)) = (bytes.get(place), bytes.get(place + 1)) else { return false };
        match marker {
            // Fill bytes.
            0xff => place += 1,
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                return bytes.get(place + 4) == Some(&8) && bytes.get(place + 9) == Some(&3);
            }
            0xd8 | 0x01 | 0xd0..=0xd7 => place += 2,
            0xd9 | 0xda => return false,
            _ => match bytes.get(place + 2..place + 4) {
                Some(&[high, low]) => place += 2 + usize::from(u16::from_be_bytes([high, low])).max(2),
                _ => return false,
            },
        }
    }
    false
}

/// By the major brand of ISO's base media format, and the compatible ones where that is not known.
fn brand(bytes: &[u8]) -> Option<Format> {
    let size = bytes.get(..4).and_then(|size| size.try_into().ok()).map_or(0, u32::from_be_bytes) as usize;
    let end = size.min(bytes.len()).min(SNIFF_BYTES);
    let major = bytes.get(8..12)?;
    let compatible = bytes.get(16..end).unwrap_or_default().chunks_exact(4);
    std::iter::once(major).chain(compatible).find_map(|brand| {
        Some(match brand {
            b"qt  " => Format::QuickTime,
            b"M4A " | b"M4B " => Format::M4a,
            b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"mif1" | b"msf1" | b"avif" | b"avis" => Format::Heif,
            b"isom" | b"iso2" | b"iso3" | b"iso4" | b"iso5" | b"iso6" | b"mp41" | b"mp42" | b"avc1" | b"M4V " | b"MSNV" | b"dash" => {
                Format::Mp4
            }
            [b'3', b'g', b'p' | b'2' | b'r' | b's' | b'e', _] => Format::ThreeGp,
            _ => return None,
        })
    })
}

fn find(bytes: &[u8], what: &[u8]) -> bool {
    let (front, end) = (&bytes[..bytes.len().min(OFFICE_BYTES)], &bytes[bytes.len().saturating_sub(OFFICE_BYTES)..]);
    [front, end].iter().any(|part| part.windows(what.len()).any(|found| found == what))
}

/// Office documents are archives whose parts lie in a folder of their own (ECMA-376), named from the front and at the end.
fn archive(bytes: &[u8]) -> Format {
    if !find(bytes, b"[Content_Types].xml") {
        return Format::Zip;
    }
    let parts: [(&[u8], Format); 3] =
        [(b"word/document.xml", Format::Docx), (b"xl/workbook.xml", Format::Xlsx), (b"ppt/presentation.xml", Format::Pptx)];
    parts.into_iter().find(|(part, _)| find(bytes, part)).map_or(Format::Zip, |(_, format)| format)
}

/// Older ones by the streams that they hold, whose names are UTF-16.
fn compound(bytes: &[u8]) -> Format {
    let wide = |name: &str| name.bytes().flat_map(|byte| [byte, 0]).collect::<Vec<u8>>();
    let streams = [("WordDocument", Format::Doc), ("Workbook", Format::Xls), ("PowerPoint Document", Format::Ppt)];
    streams.into_iter().find(|(name, _)| find(bytes, &wide(name))).map_or(Format::Ole, |(_, format)| format)
}

/// Whether it reads as text; a character that is cut at the end is one that goes on.
fn is_text(bytes: &[u8]) -> bool {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(problem) if problem.error_len().is_none() => match std::str::from_utf8(&bytes[..problem.valid_up_to()]) {
            Ok(text) => text,
            Err(_) => return false,
        },
        Err(_) => return false,
    };
    let is_printable = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t' | '\u{c}');
    // What a browser would run is never called a text.
    let start: String = text.trim_start_matches(['\u{feff}', ' ', '\n', '\r', '\t']).chars().take(9).flat_map(char::to_lowercase).collect();
    let is_active = ["<!doctype", "<html", "<script", "<svg", "<?xml", "<?php", "#!/"].iter().any(|tag| start.starts_with(tag));
    !text.is_empty() && !is_active && text.chars().all(is_printable)
}
