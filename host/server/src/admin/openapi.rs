//! `/v1/openapi.json`: the API as machines read it. Kept by hand beside this file; a test holds it against the routes.

use axum::http::header;
use axum::response::IntoResponse;

/// OpenAPI 3.1.
const DOCUMENT: &str = include_str!("openapi.json");

pub(super) async fn document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    fn document() -> Value {
        serde_json::from_str(DOCUMENT).unwrap()
    }

    #[test]
    fn every_route_is_documented_and_nothing_else() {
        let document = document();
        let documented: BTreeSet<(String, String)> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, item)| item.as_object().unwrap().keys().map(move |method| (method.clone(), path.clone())))
            .filter(|(method, _)| method != "parameters")
            .collect();
        let served = super::super::v1().listed.iter().map(|(method, path)| ((*method).to_owned(), format!("/v1{path}"))).collect();
        assert_eq!(documented, served);
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    }

    #[test]
    fn every_parameter_of_a_path_is_described_and_every_reference_leads_somewhere() {
        let document = document();
        for (path, item) in document["paths"].as_object().unwrap() {
            let described: BTreeSet<&str> = item["parameters"].as_array().map_or_else(BTreeSet::new, |parameters| {
                parameters.iter().filter(|one| one["in"] == "path").filter_map(|one| one["name"].as_str()).collect()
            });
            let named: BTreeSet<&str> = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
            assert_eq!(described, named, "{path}");
            for (method, operation) in item.as_object().unwrap().iter().filter(|(name, _)| *name != "parameters") {
                assert!(operation["responses"].as_object().is_some_and(|answers| answers.len() > 1), "{method} {path}");
                assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{method} {path}");
            }
        }
        let mut todo = vec![&document];
        while let Some(value) = todo.pop() {
            if let Some(reference) = value["$ref"].as_str() {
                let pointer = reference.strip_prefix('#').unwrap();
                assert!(document.pointer(pointer).is_some(), "{reference}");
            }
            match value {
                Value::Object(parts) => todo.extend(parts.values()),
                Value::Array(items) => todo.extend(items),
                _ => {}
            }
        }
    }
}
