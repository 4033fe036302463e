//! What Meta says of a number.

use hyper::Method;
use questline_core::id::NumberId;
use serde::Deserialize;

use super::client::{GraphClient, GraphError};
use super::http::Exchange;
use super::response;

/// A number's standing.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct NumberInfo {
    /// The name that players see.
    #[serde(default)]
    pub verified_name: Option<String>,
    /// `GREEN`, `YELLOW`, `RED` or `UNKNOWN`.
    #[serde(default)]
    pub quality_rating: Option<String>,
    #[serde(default)]
    throughput: Option<Throughput>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Throughput {
    #[serde(default)]
    level: Option<String>,
}

impl NumberInfo {
    /// `STANDARD` (80 messages a second) or `HIGH` (1000).
    pub fn throughput_level(&self) -> Option<&str> {
        self.throughput.as_ref()?.level.as_deref()
    }
}

impl GraphClient {
    /// Asks Meta about a number; also shows whether its token is good.
    pub async fn phone_number_info(&self, number: &NumberId) -> Result<NumberInfo, GraphError> {
        let uri = format!("{}/{number}?fields=verified_name,quality_rating,throughput", self.base);
        let uri = uri.parse().map_err(|_| GraphError::Options(format!("{uri} is no address")))?;
        let exchange = Exchange { method: Method::GET, uri, authorization: self.authorization(number)?, body: None };
        let (status, answer) = self.http.exchange(exchange, self.timeout, response::ANSWER_BYTES_MAX).await?;
        if !(200..300).contains(&status) {
            return Err(response::error(status, &answer));
        }
        serde_json::from_slice(&answer).map_err(|problem| GraphError::Unreadable(problem.to_string()))
    }
}
