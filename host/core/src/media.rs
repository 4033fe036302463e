//! Files in messages: what kind one is by its bytes, whether WhatsApp takes it as it is, and where a game may take files
//! from.
//!
//! Limits are those of Meta's "Supported media types" (Cloud API, v25.0); sizes are binary megabytes and kilobytes.

mod sniff;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::ReleaseDigest;
use crate::message::{MediaKind, MediaSource};
use crate::outcome::RefusalReason;

pub use sniff::{SNIFF_BYTES, sniff};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// Bytes of an image.
pub const IMAGE_BYTES_MAX: u64 = 5 * MIB;
/// Bytes of a video.
pub const VIDEO_BYTES_MAX: u64 = 16 * MIB;
/// Bytes of a sound.
pub const AUDIO_BYTES_MAX: u64 = 16 * MIB;
/// Bytes of a document, and of anything that a player sends.
pub const DOCUMENT_BYTES_MAX: u64 = 100 * MIB;
/// Bytes of a sticker that does not move.
pub const STICKER_BYTES_MAX: u64 = 100 * KIB;
/// Bytes of a sticker that moves.
pub const MOVING_STICKER_BYTES_MAX: u64 = 500 * KIB;
/// Bytes of a picture that is made to fit: what is larger is not looked at.
pub const PICTURE_BYTES_MAX: u64 = 32 * MIB;
/// How long Meta keeps an upload.
pub const UPLOAD_KEPT_MS: u64 = 30 * crate::time::DAY_MS;
/// How long before its end an upload is not relied on any more: a message may wait at Meta.
pub const UPLOAD_SPARE_MS: u64 = crate::time::DAY_MS;
/// How long before its end an upload is renewed when it is used.
pub const UPLOAD_RENEWED_MS: u64 = 5 * crate::time::DAY_MS;

/// In front of the name of a file of the game's release, where a flow names an address: `media:banner.png`.
pub const SCHEME: &str = "media:";
/// The folder of a game that such files lie in.
pub const FOLDER: &str = "media";
/// Bytes of a file's name.
pub const NAME_BYTES_MAX: usize = 120;
/// Hosts that a game may take files from.
pub const HOSTS_MAX: usize = 16;

/// What a file is, by its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Three colours of 8 bits, as Meta takes them, or otherwise.
    Jpeg {
        /// As Meta takes it.
        plain: bool,
    },
    /// RGB or RGBA of 8 bits, as Meta takes them, or otherwise.
    Png {
        /// As Meta takes it.
        plain: bool,
    },
    /// A picture, or several.
    Webp {
        /// It moves.
        moving: bool,
    },
    /// A picture that mostly moves.
    Gif,
    /// Windows' pictures.
    Bmp,
    /// TIFF.
    Tiff,
    /// HEIF and AVIF.
    Heif,
    /// MPEG-4.
    Mp4,
    /// 3GPP.
    ThreeGp,
    /// Apple's.
    QuickTime,
    /// Matroska and WebM.
    Matroska,
    /// AVI.
    Avi,
    /// AAC in ADTS.
    Aac,
    /// AMR.
    Amr,
    /// MP3.
    Mp3,
    /// AAC in MPEG-4.
    M4a,
    /// Opus in Ogg.
    OggOpus,
    /// Anything else in Ogg.
    Ogg,
    /// WAV.
    Wav,
    /// FLAC.
    Flac,
    /// PDF.
    Pdf,
    /// Word before 2007.
    Doc,
    /// Excel before 2007.
    Xls,
    /// PowerPoint before 2007.
    Ppt,
    /// Another of Microsoft's compound files.
    Ole,
    /// Word.
    Docx,
    /// Excel.
    Xlsx,
    /// PowerPoint.
    Pptx,
    /// Another archive.
    Zip,
    /// UTF-8 without control characters.
    Text,
}

impl Format {
    /// What Meta, and anybody else, is told.
    pub fn mime(self) -> &'static str {
        match self {
            Self::Jpeg { .. } => "image/jpeg",
            Self::Png { .. } => "image/png",
            Self::Webp { .. } => "image/webp",
            Self::Gif => "image/gif",
            Self::Bmp => "image/bmp",
            Self::Tiff => "image/tiff",
            Self::Heif => "image/heif",
            Self::Mp4 => "video/mp4",
            Self::ThreeGp => "video/3gpp",
            Self::QuickTime => "video/quicktime",
            Self::Matroska => "video/x-matroska",
            Self::Avi => "video/x-msvideo",
            Self::Aac => "audio/aac",
            Self::Amr => "audio/amr",
            Self::Mp3 => "audio/mpeg",
            Self::M4a => "audio/mp4",
            Self::OggOpus | Self::Ogg => "audio/ogg",
            Self::Wav => "audio/wav",
            Self::Flac => "audio/flac",
            Self::Pdf => "application/pdf",
            Self::Doc => "application/msword",
            Self::Xls => "application/vnd.ms-excel",
            Self::Ppt => "application/vnd.ms-powerpoint",
            Self::Ole => "application/x-ole-storage",
            Self::Docx => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::Pptx => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
            Self::Zip => "application/zip",
            Self::Text => "text/plain",
        }
    }

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Jpeg { .. } => "a JPEG image",
            Self::Png { .. } => "a PNG image",
            Self::Webp { moving: false } => "a WebP image",
            Self::Webp { moving: true } => "a moving WebP image",
            Self::Gif => "a GIF image",
            Self::Bmp => "a BMP image",
            Self::Tiff => "a TIFF image",
            Self::Heif => "a HEIF image",
            Self::Mp4 => "an MP4 video",
            Self::ThreeGp => "a 3GPP video",
            Self::QuickTime => "a QuickTime video",
            Self::Matroska => "a Matroska or WebM video",
            Self::Avi => "an AVI video",
            Self::Aac => "an AAC sound",
            Self::Amr => "an AMR sound",
            Self::Mp3 => "an MP3 sound",
            Self::M4a => "an M4A sound",
            Self::OggOpus => "an Opus sound",
            Self::Ogg => "an Ogg file that is not Opus",
            Self::Wav => "a WAV sound",
            Self::Flac => "a FLAC sound",
            Self::Pdf => "a PDF",
            Self::Doc | Self::Docx => "a Word document",
            Self::Xls | Self::Xlsx => "an Excel document",
            Self::Ppt | Self::Pptx => "a PowerPoint document",
            Self::Ole => "a compound file of no known kind",
            Self::Zip => "an archive",
            Self::Text => "a text",
        }
    }

    /// As what it is sent where nobody says.
    pub fn kind(self) -> MediaKind {
        match self {
            Self::Jpeg { .. } | Self::Png { .. } | Self::Gif | Self::Bmp | Self::Tiff | Self::Heif => MediaKind::Image,
            Self::Webp { moving: false } => MediaKind::Image,
            Self::Webp { moving: true } => MediaKind::Sticker,
            Self::Mp4 | Self::ThreeGp | Self::QuickTime | Self::Matroska | Self::Avi => MediaKind::Video,
            Self::Aac | Self::Amr | Self::Mp3 | Self::M4a | Self::OggOpus | Self::Ogg | Self::Wav | Self::Flac => MediaKind::Audio,
            Self::Pdf | Self::Doc | Self::Xls | Self::Ppt | Self::Ole => MediaKind::Document,
            Self::Docx | Self::Xlsx | Self::Pptx | Self::Zip | Self::Text => MediaKind::Document,
        }
    }

    /// Whether something that says it is of this kind may be this: a file that a player sends as a picture is a picture.
    pub fn may_be(self, kind: MediaKind) -> bool {
        match kind {
            MediaKind::Document => true,
            // What Meta calls audio/mp4 and video/mp4 is one container.
            MediaKind::Audio => self.kind() == MediaKind::Audio || matches!(self, Self::Mp4 | Self::ThreeGp),
            MediaKind::Video => self.kind() == MediaKind::Video,
            MediaKind::Image => matches!(self, Self::Webp { .. }) || self.kind() == MediaKind::Image,
            MediaKind::Sticker => matches!(self, Self::Webp { .. }),
        }
    }
}

/// What is known of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// What it is; none where that is not known.
    pub format: Option<Format>,
    /// How long it is.
    pub bytes: u64,
}

impl Facts {
    /// Of a whole file.
    pub fn of(bytes: &[u8]) -> Self {
        Self { format: sniff(bytes), bytes: bytes.len() as u64 }
    }
}

/// Whether a file can be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// As it is, with this type.
    Fits(&'static str),
    /// Once it is a JPEG or PNG of at most [`IMAGE_BYTES_MAX`].
    Reencode,
    /// Not at all.
    Refused(Unfit),
}

/// Why a file cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Nothing is in it.
    #[error("the file is empty")]
    Empty,
    /// Its bytes tell of nothing that WhatsApp takes.
    #[error("its bytes are of no kind that WhatsApp takes: {}", takes(*.0))]
    Unknown(MediaKind),
    /// It is something else.
    #[error("it is {}, and is sent as {}: {}", .format.name(), .kind.as_str(), takes(*.kind))]
    Kind {
        /// What it is.
        format: Format,
        /// As what it is sent.
        kind: MediaKind,
    },
    /// It is too long, and cannot be made shorter here.
    #[error("it is {} of {bytes} bytes, and WhatsApp takes {bytes_max} at most: make it shorter or smaller", .format.name())]
    TooLarge {
        /// What it is.
        format: Format,
        /// How long it is.
        bytes: u64,
        /// How long it may be.
        bytes_max: u64,
    },
}

/// What WhatsApp takes as this, in words.
fn takes(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Image => "an image is JPEG or PNG (WebP is made one)",
        MediaKind::Video => "a video is MP4 or 3GPP",
        MediaKind::Audio => "audio is AAC, AMR, MP3, M4A or Opus in Ogg",
        MediaKind::Document => "a document is PDF, text, Word, Excel or PowerPoint",
        MediaKind::Sticker => "a sticker is WebP",
    }
}

/// Whether a file can be sent as this.
pub fn judge(kind: MediaKind, facts: Facts) -> Verdict {
    if facts.bytes == 0 {
        return Verdict::Refused(Unfit::Empty);
    }
    let Some(format) = facts.format else { return Verdict::Refused(Unfit::Unknown(kind)) };
    let within = |bytes_max: u64| match facts.bytes <= bytes_max {
        true => Verdict::Fits(format.mime()),
        false => Verdict::Refused(Unfit::TooLarge { format, bytes: facts.bytes, bytes_max }),
    };
    match (kind, format) {
        (MediaKind::Image, Format::Jpeg { plain } | Format::Png { plain }) if facts.bytes <= IMAGE_BYTES_MAX && plain => {
            Verdict::Fits(format.mime())
        }
        (MediaKind::Image, Format::Jpeg { .. } | Format::Png { .. } | Format::Webp { moving: false }) => match within(PICTURE_BYTES_MAX) {
            Verdict::Fits(_) => Verdict::Reencode,
            refused => refused,
        },
        (MediaKind::Video, Format::Mp4 | Format::ThreeGp) => within(VIDEO_BYTES_MAX),
        (MediaKind::Audio, Format::Aac | Format::Amr | Format::Mp3 | Format::M4a | Format::OggOpus) => within(AUDIO_BYTES_MAX),
        (MediaKind::Sticker, Format::Webp { moving: false }) => within(STICKER_BYTES_MAX),
        (MediaKind::Sticker, Format::Webp { moving: true }) => within(MOVING_STICKER_BYTES_MAX),
        (MediaKind::Document, Format::Pdf | Format::Text | Format::Doc | Format::Xls | Format::Ppt)
        | (MediaKind::Document, Format::Docx | Format::Xlsx | Format::Pptx) => within(DOCUMENT_BYTES_MAX),
        _ => Verdict::Refused(Unfit::Kind { format, kind }),
    }
}

/// Bytes of a file that is fetched to be sent as this: no more are read.
pub fn fetched_bytes_max(kind: MediaKind) -> u64 {
    match kind {
        MediaKind::Image => PICTURE_BYTES_MAX,
        MediaKind::Video => VIDEO_BYTES_MAX,
        MediaKind::Audio => AUDIO_BYTES_MAX,
        MediaKind::Document => DOCUMENT_BYTES_MAX,
        MediaKind::Sticker => MOVING_STICKER_BYTES_MAX,
    }
}

/// SHA-256 of a file.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContentDigest(pub [u8; 32]);

impl fmt::Display for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentDigest({self})")
    }
}

impl TryFrom<String> for ContentDigest {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        crate::hex::bytes(&text).map(Self).ok_or("a digest is 64 hexadecimal digits")
    }
}

impl From<ContentDigest> for String {
    fn from(digest: ContentDigest) -> String {
        digest.to_string()
    }
}

/// A file of a game's release, as a message names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseFile {
    /// Its path below the game's `media/`.
    pub name: String,
    /// Which file of that name: set when the message is committed, so that the player sees what that release held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<FileOf>,
}

/// Which of the files that had a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileOf {
    /// The one of this release.
    pub release: ReleaseDigest,
    /// What is in it.
    pub digest: ContentDigest,
}

/// Whether this is a name of a file: relative, of letters, digits and `._-`, no part of it hidden.
pub fn is_name(name: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty() && !part.starts_with('.') && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    name.len() <= NAME_BYTES_MAX && name.split('/').all(part)
}

/// What a release has to send.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MediaRules {
    /// Files, by their paths below `media/`.
    pub files: BTreeMap<String, MediaEntry>,
    /// Hosts that files may be taken from.
    pub hosts: Vec<String>,
}

/// A file of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MediaEntry {
    /// What it is.
    pub facts: Facts,
    /// Which one.
    pub of: FileOf,
}

/// Why a message's file is refused before it is committed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MediaRefusal {
    /// There is no such file.
    #[error("the release has no file {FOLDER}/{0}")]
    NoFile(String),
    /// It cannot be sent as this.
    #[error("{FOLDER}/{name}: {unfit}")]
    Unfit {
        /// Which.
        name: String,
        /// Why.
        unfit: Unfit,
    },
    /// Nobody said that files may come from there.
    #[error("{0:?} is not in [media] hosts of game.toml: no file is taken from there")]
    Host(String),
}

impl MediaRefusal {
    /// For the flow.
    pub fn reason(&self) -> RefusalReason {
        match self {
            Self::NoFile(_) => RefusalReason::UnknownTarget,
            Self::Unfit { .. } => RefusalReason::Other,
            Self::Host(_) => RefusalReason::NotGranted,
        }
    }
}

impl MediaRules {
    /// Whether a message may take its file from there.
    pub fn check(&self, kind: MediaKind, source: &MediaSource) -> Result<(), MediaRefusal> {
        match source {
            MediaSource::Id(_) => Ok(()),
            MediaSource::Link(url) => {
                let host = host_of(url);
                let known = self.hosts.iter().any(|known| known.eq_ignore_ascii_case(host));
                if known { Ok(()) } else { Err(MediaRefusal::Host(host.to_owned())) }
            }
            MediaSource::File(file) => {
                let entry = self.files.get(&file.name).ok_or_else(|| MediaRefusal::NoFile(file.name.clone()))?;
                match judge(kind, entry.facts) {
                    Verdict::Refused(unfit) => Err(MediaRefusal::Unfit { name: file.name.clone(), unfit }),
                    Verdict::Fits(_) | Verdict::Reencode => Ok(()),
                }
            }
        }
    }

    /// Notes which file of its name a message means.
    pub fn pin(&self, source: &mut MediaSource) {
        if let MediaSource::File(file) = source {
            file.of = self.files.get(&file.name).map(|entry| entry.of);
        }
    }
}

/// The host of an address as a flow writes it, without its port; what is no plain address has none that is allowed.
fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    // A user in front of the host is how one host is made to look like another.
    if authority.contains('@') {
        return authority;
    }
    match authority.strip_prefix('[') {
        Some(_) => authority,
        None => authority.split_once(':').map_or(authority, |(host, _)| host),
    }
}

#[cfg(test)]
mod tests;
