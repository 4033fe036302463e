//! `media/` of a game's folder, and `[media]` in game.toml: files that the game sends, and where else it takes some from.

use std::collections::BTreeMap;

use bytes::Bytes;
use questline_core::media::{ContentDigest, FOLDER, Facts, FileOf, Format, HOSTS_MAX, MediaEntry, MediaRules, Verdict, is_name, judge};
use questline_core::message::MediaKind;
use serde::Deserialize;

use super::{Bundle, GameProblem, LoadContext, Studio};
use crate::media::{digest_of, is_host};

/// The table.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct MediaFile {
    hosts: Vec<String>,
}

impl MediaFile {
    pub(super) fn into_rules(self, files: BTreeMap<String, MediaEntry>, context: &LoadContext<'_>) -> Result<MediaRules, GameProblem> {
        if self.hosts.len() > HOSTS_MAX {
            return Err(GameProblem::Rule(format!("media.hosts names {} hosts; it takes {HOSTS_MAX} at most", self.hosts.len())));
        }
        for host in &self.hosts {
            if !is_host(host) {
                return Err(GameProblem::Rule(format!(
                    "media.hosts names {host:?}: a host is a name like \"cdn.example.com\", and no more"
                )));
            }
            if context.studio == Studio::Real && !context.connector_hosts.contains(host) {
                return Err(GameProblem::MediaHost(host.clone()));
            }
        }
        Ok(MediaRules { files, hosts: self.hosts })
    }
}

/// The files of a bundle that can be sent, by their names; or the first that cannot, and why.
pub(super) fn load(bundle: &Bundle) -> Result<BTreeMap<String, MediaEntry>, (String, GameProblem)> {
    let mut files = BTreeMap::new();
    for (path, name, bytes) in of(bundle) {
        let wrong = |problem: String| (path.to_owned(), GameProblem::Media(problem));
        if !is_name(name) {
            return Err(wrong("its name is too long: 120 bytes at most".to_owned()));
        }
        let facts = Facts::of(bytes);
        // As what it is; a flow that sends it as something else is refused then.
        let kind = facts.format.map_or(MediaKind::Document, Format::kind);
        if let Verdict::Refused(unfit) = judge(kind, facts) {
            return Err(wrong(unfit.to_string()));
        }
        let of = FileOf { release: *bundle.digest(), digest: digest_of(bytes) };
        files.insert(name.to_owned(), MediaEntry { facts, of });
    }
    Ok(files)
}

/// The files of a bundle by what is in them: for a game that is in no store.
pub(crate) fn held(bundle: &Bundle) -> BTreeMap<ContentDigest, Bytes> {
    of(bundle).map(|(_, _, bytes)| (digest_of(bytes), bytes.clone())).collect()
}

fn of(bundle: &Bundle) -> impl Iterator<Item = (&str, &str, &Bytes)> {
    let in_folder = |path: &'_ str| path.strip_prefix(FOLDER).is_some_and(|rest| rest.starts_with('/'));
    let files = bundle.files().iter().filter(move |(path, _)| in_folder(path));
    files.map(|(path, bytes)| (path.as_str(), &path[FOLDER.len() + 1..], bytes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use questline_core::id::GameId;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0";

    fn loaded(files: &[(&str, &[u8])]) -> Result<BTreeMap<String, MediaEntry>, (String, String)> {
        let files = files.iter().map(|(path, bytes)| ((*path).to_owned(), Bytes::copy_from_slice(bytes))).collect();
        let bundle = Bundle::new(GameId::parse("game").unwrap(), files).unwrap();
        load(&bundle).map_err(|(file, problem)| (file, problem.to_string()))
    }

    #[test]
    fn files_are_named_below_the_folder_and_known_by_their_bytes() {
        let files = loaded(&[("media/banner.png", PNG), ("media/s2/terms.pdf", b"%PDF-1.7"), ("mediax/a.exe", b"MZ\0")]).unwrap();
        assert_eq!(files.keys().collect::<Vec<_>>(), ["banner.png", "s2/terms.pdf"]);
        assert_eq!(files["banner.png"].facts.format, Some(Format::Png { plain: true }));
    }

    #[test]
    fn what_cannot_be_sent_is_named_with_its_reason() {
        let (file, problem) = loaded(&[("media/a.mp4", b"MZ\x90\0")]).unwrap_err();
        assert!(file == "media/a.mp4" && problem.contains("of no kind that WhatsApp takes"), "{problem}");
        let mut video = b"\0\0\0\x14ftypisom\0\0\0\0isom".to_vec();
        video.resize((16 << 20) + 1, 0);
        let (file, problem) = loaded(&[("media/trailer.mp4", &video)]).unwrap_err();
        assert!(file == "media/trailer.mp4" && problem.contains("16777217 bytes"), "{problem}");
        let (_, problem) = loaded(&[("media/trailer.mp4", b"\x1a\x45\xdf\xa3webm")]).unwrap_err();
        assert!(problem.contains("WebM") && problem.contains("MP4"), "{problem}");
    }

    #[test]
    fn a_host_is_named_and_allowed() {
        let http = reqwest::Client::new();
        let mut context = LoadContext::to_try(Studio::Real, &http);
        let allowed = ["cdn.example".to_owned()];
        context.connector_hosts = &allowed;
        let rules = |hosts: &[&str]| {
            MediaFile { hosts: hosts.iter().map(|host| (*host).to_owned()).collect() }.into_rules(BTreeMap::new(), &context)
        };
        assert_eq!(rules(&["cdn.example"]).unwrap().hosts, ["cdn.example"]);
        assert!(matches!(rules(&["evil.example"]), Err(GameProblem::MediaHost(host)) if host == "evil.example"));
        assert!(matches!(rules(&["https://cdn.example/"]), Err(GameProblem::Rule(_))));
        assert!(matches!(rules(&["169.254.169.254"]), Err(GameProblem::Rule(_))));
    }
}
