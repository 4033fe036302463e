//! JUnit XML, as CI servers read it (the Ant task's format): a suite for each transcript, a case for each scene.

use std::fmt::Write as _;

use super::test::GameReport;
use crate::transcript::{SceneReport, TranscriptReport};

/// The whole document.
pub(super) fn document(reports: &[GameReport]) -> String {
    let suites: Vec<_> =
        reports.iter().flat_map(|report| report.transcripts.iter().map(move |transcript| (&report.game, transcript))).collect();
    let all = |count: fn(&TranscriptReport) -> usize| suites.iter().map(|(_, transcript)| count(transcript)).sum::<usize>();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ =
        writeln!(xml, "<testsuites name=\"questline\" tests=\"{}\" failures=\"{}\" errors=\"{}\">", all(cases), all(failures), all(errors));
    for (game, transcript) in &suites {
        suite(&mut xml, game, transcript);
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn cases(transcript: &TranscriptReport) -> usize {
    transcript.scenes.len() + errors(transcript)
}

fn failures(transcript: &TranscriptReport) -> usize {
    transcript.scenes.iter().filter(|scene| !scene.passed()).count()
}

fn errors(transcript: &TranscriptReport) -> usize {
    usize::from(transcript.problem.is_some())
}

fn suite(xml: &mut String, game: &str, transcript: &TranscriptReport) {
    let name = escaped(&format!("{game}/{}", transcript.path));
    let time = seconds(transcript.scenes.iter().map(|scene| scene.wall_us).sum());
    let (tests, failures, errors) = (cases(transcript), failures(transcript), errors(transcript));
    let _ = writeln!(xml, "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" time=\"{time}\">");
    if let Some(problem) = &transcript.problem {
        let problem = escaped(&problem.to_string());
        let _ = writeln!(xml, "    <testcase classname=\"{name}\" name=\"can be read\" time=\"0\">");
        let _ = writeln!(xml, "      <error message=\"{problem}\"/>\n    </testcase>");
    }
    for scene in &transcript.scenes {
        case(xml, &name, transcript, scene);
    }
    xml.push_str("  </testsuite>\n");
}

fn case(xml: &mut String, class: &str, transcript: &TranscriptReport, scene: &SceneReport) {
    let (title, time) = (escaped(&scene.title), seconds(scene.wall_us));
    let _ = write!(xml, "    <testcase classname=\"{class}\" name=\"{title}\" time=\"{time}\"");
    if scene.passed() {
        xml.push_str("/>\n");
        return;
    }
    xml.push_str(">\n");
    let line = scene.failures.first().map_or(scene.line, |failure| failure.line);
    let text: String = scene.failures.iter().map(|failure| format!("{}:{}\n{}\n", transcript.path, failure.line, failure.text)).collect();
    let message = escaped(&format!("{}:{line}", transcript.path));
    let _ = writeln!(xml, "      <failure message=\"{message}\">{}</failure>\n    </testcase>", escaped(&text));
}

fn seconds(us: u64) -> String {
    format!("{:.6}", us as f64 / 1e6)
}

/// Text and attributes. Characters that XML 1.0 cannot hold at all become the replacement character.
fn escaped(text: &str) -> String {
    let mut xml = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            '\'' => xml.push_str("&apos;"),
            '\n' | '\t' => xml.push(character),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => xml.push('\u{fffd}'),
            _ => xml.push(character),
        }
    }
    xml
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_xml_forbids_gets_through() {
        assert_eq!(escaped("<a b=\"c\">&'\u{1b}[0m</a>"), "&lt;a b=&quot;c&quot;&gt;&amp;&apos;\u{fffd}[0m&lt;/a&gt;");
    }
}
