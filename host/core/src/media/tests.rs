//! What files are by their bytes, and what of them may be sent.
#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use super::*;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0";
const JPEG: &[u8] = b"\xff\xd8\xff\xe0\0\x04ab\xff\xc0\0\x11\x08\0\x01\0\x01\x03\x01\x22\0";

fn png(depth: u8, colour: u8) -> Vec<u8> {
    let mut bytes = PNG.to_vec();
    (bytes[24], bytes[25]) = (depth, colour);
    bytes
}

fn facts(format: Format, bytes: u64) -> Facts {
    Facts { format: Some(format), bytes }
}

#[test]
fn a_kind_is_told_by_bytes() {
    let wide = |text: &str| text.bytes().flat_map(|byte| [byte, 0]).collect::<Vec<u8>>();
    let ole = |stream: &str| [b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec(), vec![0; 600], wide(stream)].concat();
    let ftyp = |brand: &[u8]| [b"\0\0\0\x14ftyp", brand, b"\0\0\0\0isom"].concat();
    let zip = |part: &str| [b"PK\x03\x04....[Content_Types].xml....".to_vec(), part.as_bytes().to_vec()].concat();
    let cases: Vec<(Vec<u8>, Option<Format>)> = vec![
        (PNG.to_vec(), Some(Format::Png { plain: true })),
        (png(16, 6), Some(Format::Png { plain: false })),
        (png(8, 3), Some(Format::Png { plain: false })),
        (JPEG.to_vec(), Some(Format::Jpeg { plain: true })),
        ([&JPEG[..17], b"\x04", &JPEG[18..]].concat(), Some(Format::Jpeg { plain: false })),
        (b"\xff\xd8\xff\xda".to_vec(), Some(Format::Jpeg { plain: false })),
        (b"RIFF....WEBPVP8 ".to_vec(), Some(Format::Webp { moving: false })),
        (b"RIFF....WEBPVP8X\x0a\0\0\0\x02".to_vec(), Some(Format::Webp { moving: true })),
        (b"GIF89a.".to_vec(), Some(Format::Gif)),
        (ftyp(b"isom"), Some(Format::Mp4)),
        (ftyp(b"mp42"), Some(Format::Mp4)),
        (ftyp(b"3gp5"), Some(Format::ThreeGp)),
        (ftyp(b"M4A "), Some(Format::M4a)),
        (ftyp(b"qt  "), Some(Format::QuickTime)),
        (ftyp(b"heic"), Some(Format::Heif)),
        (ftyp(b"XXXX"), Some(Format::Mp4)),
        (b"\0\0\0\x10ftypXXXX\0\0\0\0".to_vec(), None),
        (b"\x1a\x45\xdf\xa3webm".to_vec(), Some(Format::Matroska)),
        (b"ID3\x04".to_vec(), Some(Format::Mp3)),
        (b"\xff\xfb\x90\0".to_vec(), Some(Format::Mp3)),
        (b"\xff\xf1\x50\x80".to_vec(), Some(Format::Aac)),
        (b"#!AMR\n".to_vec(), Some(Format::Amr)),
        ([b"OggS".to_vec(), vec![0; 24], b"OpusHead".to_vec()].concat(), Some(Format::OggOpus)),
        ([b"OggS".to_vec(), vec![0; 24], b"\x01vorbis".to_vec()].concat(), Some(Format::Ogg)),
        (b"%PDF-1.7".to_vec(), Some(Format::Pdf)),
        (zip("word/document.xml"), Some(Format::Docx)),
        (zip("xl/workbook.xml"), Some(Format::Xlsx)),
        (zip("ppt/presentation.xml"), Some(Format::Pptx)),
        (b"PK\x03\x04evil.exe".to_vec(), Some(Format::Zip)),
        (ole("WordDocument"), Some(Format::Doc)),
        (ole("Workbook"), Some(Format::Xls)),
        (ole("PowerPoint Document"), Some(Format::Ppt)),
        (ole("Other"), Some(Format::Ole)),
        ("Grüße\n".into(), Some(Format::Text)),
        ("Grü".as_bytes()[..3].to_vec(), Some(Format::Text)),
        (b"<!DOCTYPE html><script>".to_vec(), None),
        (b" \n<svg onload=x>".to_vec(), None),
        (b"MZ\x90\0".to_vec(), None),
        (b"\x7fELF\x02".to_vec(), None),
        (Vec::new(), None),
    ];
    for (bytes, expected) in cases {
        assert_eq!(sniff(&bytes), expected, "{:?}", String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn what_fits_is_sent_as_it_is_and_pictures_are_made_to_fit() {
    let plain = Format::Png { plain: true };
    let fits = |kind, format: Format, bytes| assert_eq!(judge(kind, facts(format, bytes)), Verdict::Fits(format.mime()), "{format:?}");
    fits(MediaKind::Image, plain, IMAGE_BYTES_MAX);
    fits(MediaKind::Video, Format::Mp4, VIDEO_BYTES_MAX);
    fits(MediaKind::Video, Format::ThreeGp, 1);
    fits(MediaKind::Audio, Format::OggOpus, AUDIO_BYTES_MAX);
    fits(MediaKind::Document, Format::Docx, DOCUMENT_BYTES_MAX);
    fits(MediaKind::Sticker, Format::Webp { moving: false }, STICKER_BYTES_MAX);
    fits(MediaKind::Sticker, Format::Webp { moving: true }, MOVING_STICKER_BYTES_MAX);
    for (format, bytes) in [
        (plain, IMAGE_BYTES_MAX + 1),
        (plain, PICTURE_BYTES_MAX),
        (Format::Png { plain: false }, 1),
        (Format::Jpeg { plain: false }, 1),
        (Format::Webp { moving: false }, 1),
    ] {
        assert_eq!(judge(MediaKind::Image, facts(format, bytes)), Verdict::Reencode, "{format:?} {bytes}");
    }
}

#[test]
fn what_cannot_be_sent_is_refused_with_its_reason() {
    let refused = |kind, format, bytes| match judge(kind, Facts { format, bytes }) {
        Verdict::Refused(unfit) => unfit.to_string(),
        other => panic!("{format:?}: {other:?}"),
    };
    assert_eq!(refused(MediaKind::Image, Some(Format::Gif), 0), "the file is empty");
    let words = refused(MediaKind::Video, Some(Format::Mp4), VIDEO_BYTES_MAX + 1);
    assert!(words.contains("16777217 bytes") && words.contains("16777216 at most"), "{words}");
    assert!(
        refused(MediaKind::Video, Some(Format::QuickTime), 1).contains("a QuickTime video, and is sent as video: a video is MP4 or 3GPP")
    );
    assert!(refused(MediaKind::Video, Some(Format::Png { plain: true }), 1).contains("PNG"));
    assert!(refused(MediaKind::Image, Some(Format::Gif), 1).contains("GIF"));
    assert!(refused(MediaKind::Image, Some(Format::Webp { moving: true }), 1).contains("moving"));
    assert!(refused(MediaKind::Image, Some(Format::Jpeg { plain: true }), PICTURE_BYTES_MAX + 1).contains("bytes"));
    assert!(refused(MediaKind::Sticker, Some(Format::Webp { moving: false }), STICKER_BYTES_MAX + 1).contains("102400"));
    assert!(refused(MediaKind::Document, Some(Format::Zip), 1).contains("an archive"));
    assert!(refused(MediaKind::Audio, None, 1).contains("of no kind"));
}

#[test]
fn a_file_is_of_the_release_and_a_link_of_an_allowed_host() {
    let of = FileOf { release: ReleaseDigest::from_bytes([1; 32]), digest: ContentDigest([2; 32]) };
    let entry = |format| MediaEntry { facts: facts(format, 10), of };
    let files = [("a/banner.png", Format::Png { plain: true }), ("clip.mp4", Format::Mp4)];
    let rules =
        MediaRules { files: files.map(|(name, format)| (name.to_owned(), entry(format))).into(), hosts: vec!["cdn.example".to_owned()] };
    let file = |name: &str| MediaSource::File(ReleaseFile { name: name.to_owned(), of: None });
    assert_eq!(rules.check(MediaKind::Image, &file("a/banner.png")), Ok(()));
    assert!(matches!(rules.check(MediaKind::Image, &file("banner.png")), Err(MediaRefusal::NoFile(_))));
    let refusal = rules.check(MediaKind::Image, &file("clip.mp4")).unwrap_err();
    assert!(refusal.to_string().starts_with("media/clip.mp4: it is an MP4 video"), "{refusal}");
    let mut source = file("a/banner.png");
    rules.pin(&mut source);
    assert_eq!(source, MediaSource::File(ReleaseFile { name: "a/banner.png".to_owned(), of: Some(of) }));
    for good in ["https://cdn.example/a.png", "https://CDN.example:443/a", "https://cdn.example?x"] {
        assert_eq!(rules.check(MediaKind::Image, &MediaSource::Link(good.into())), Ok(()), "{good}");
    }
    for bad in [
        "https://evil.example/cdn.example",
        "https://cdn.example@evil.example/",
        "https://cdn.example:x@evil.example/",
        "https://evil.example#cdn.example",
        "https://evil.example\\@cdn.example/",
        "https://evil.cdn.example.evil/",
        "https://[::1]/",
        "https:///a",
        "media:x",
    ] {
        assert!(matches!(rules.check(MediaKind::Image, &MediaSource::Link(bad.into())), Err(MediaRefusal::Host(_))), "{bad}");
    }
}

#[test]
fn names_lead_nowhere_else() {
    assert!(is_name("banner.png") && is_name("season-2/banner_1.png"));
    for bad in ["", "/a", "a//b", "../a", "a/..", ".a", "a b", "ä", &"a".repeat(121)] {
        assert!(!is_name(bad), "{bad}");
    }
}

proptest! {
    #[test]
    fn whatever_the_bytes_are_nothing_panics_and_what_fits_is_within_the_limits(head in prop::sample::select(vec![PNG, JPEG, b"RIFF....WEBPVP8X", b"\0\0\0\x18ftypisom", b"OggS", b"PK\x03\x04", b"\xff\xd8\xff", b""]), tail in prop::collection::vec(any::<u8>(), 0..200)) {
        let bytes = [head, &tail].concat();
        for kind in [MediaKind::Image, MediaKind::Video, MediaKind::Audio, MediaKind::Document, MediaKind::Sticker] {
            let facts = Facts::of(&bytes);
            if let Verdict::Fits(mime) = judge(kind, facts) {
                prop_assert_eq!(Some(mime), facts.format.map(Format::mime));
                prop_assert!(facts.format.is_some_and(|format| format.may_be(kind)));
                prop_assert!(facts.bytes <= fetched_bytes_max(kind).max(IMAGE_BYTES_MAX));
            }
        }
    }
}
