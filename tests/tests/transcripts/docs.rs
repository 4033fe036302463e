//! The examples of `docs/TRANSCRIPTS.md` are played as they stand there.

use questline::transcript::{TranscriptReport, play_all};
use questline_tests::{chats, guests::workspace};

/// Fenced blocks marked `chat <game>`, with their lines.
fn examples(document: &str) -> Vec<(usize, &str, String)> {
    let mut found = Vec::new();
    let mut lines = document.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        if let Some(game) = line.strip_prefix("```chat ") {
            let text = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect::<Vec<_>>().join("\n");
            found.push((number + 2, game.trim(), text));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documents_examples_pass() {
    let document = std::fs::read_to_string(workspace().join("docs/TRANSCRIPTS.md")).unwrap();
    let examples = examples(&document);
    assert!(examples.len() >= 4, "{} examples", examples.len());
    let games: std::collections::BTreeSet<&str> = examples.iter().map(|(_, game, _)| *game).collect();
    for name in games {
        let (game, bundle) = chats::load(&workspace().join("flows").join(name)).await;
        for (line, _, text) in examples.iter().filter(|(_, game, _)| *game == name) {
            let reports = play_all(&game, &chats::with_chats(&bundle, &[("example.chat", text)])).await;
            let told: String = reports.iter().map(ToString::to_string).collect();
            assert!(reports.iter().all(TranscriptReport::passed) && !reports.is_empty(), "docs/TRANSCRIPTS.md, from line {line}:\n{told}");
        }
    }
}
