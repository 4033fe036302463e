//! What the configuration names, read: secrets, keys, Meta's address, our own.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use questline_whatsapp::graph::{AccessToken, GraphClient, GraphOptions, NumberDirectory};
use questline_whatsapp::signature::{AppSecrets, VerifyToken};
use tokio::net::TcpListener;

use super::StartError;
use crate::config::Config;
use crate::ingress::{self, App};
use crate::sender::Number;
use crate::verification::{Keyring, UnusableKeys};

pub(super) async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let refused = |problem| StartError::Listen { address, problem };
    let listener = ingress::listen::bind(address).await.map_err(refused)?;
    let bound = listener.local_addr().map_err(refused)?;
    Ok((listener, bound))
}

pub(super) fn apps(config: &Config) -> Result<HashMap<String, App>, StartError> {
    let mut apps = HashMap::new();
    for app in &config.apps {
        let unusable = |problem: String| StartError::Unusable { what: format!("a secret of app {:?}", app.name), problem };
        let secrets =
            app.secrets.iter().map(|source| source.read(&format!("an app secret of {:?}", app.name))).collect::<Result<Vec<_>, _>>()?;
        let secrets = AppSecrets::new(secrets.iter().map(|secret| secret.reveal())).map_err(|problem| unusable(problem.to_string()))?;
        let token = app.verify_token.read(&format!("the verify token of {:?}", app.name))?;
        let verify_token = VerifyToken::new(token.reveal()).map_err(|problem| unusable(problem.to_string()))?;
        apps.insert(app.name.clone(), App { name: app.name.clone(), secrets, verify_token });
    }
    Ok(apps)
}

/// The keys for one-time codes, if there are any.
pub fn code_keys(config: &Config) -> Result<Option<Arc<Keyring>>, StartError> {
    let what = "a key for one-time codes";
    let secrets = config.verification.keys.iter().map(|source| source.read(what)).collect::<Result<Vec<_>, _>>()?;
    if secrets.is_empty() {
        return Ok(None);
    }
    let unusable = |problem: UnusableKeys| StartError::Unusable { what: "[verification] keys".to_owned(), problem: problem.to_string() };
    Keyring::new(&secrets).map(|keys| Some(Arc::new(keys))).map_err(unusable)
}

pub(super) fn numbers(config: &Config) -> Vec<Number> {
    let number = |number: &crate::config::NumberConfig| Number {
        id: number.id.clone(),
        app: number.app.clone(),
        account: number.account.clone(),
        per_second: number.per_second,
    };
    config.numbers.iter().map(number).collect()
}

/// Meta's API with the numbers' access tokens.
pub fn graph(config: &Config) -> Result<GraphClient, StartError> {
    let mut directory = NumberDirectory::default();
    for number in &config.numbers {
        let token = number.access_token.read(&format!("the access token of number {}", number.id))?;
        directory.insert(number.id.clone(), AccessToken::new(token.reveal()));
    }
    let options = GraphOptions {
        base_url: config.graph.url.clone(),
        version: config.graph.version.clone(),
        timeout_ms: config.graph.timeout_ms,
        in_flight_max: config.graph.in_flight_max,
    };
    GraphClient::new(options, directory).map_err(|problem| StartError::Graph(problem.to_string()))
}

/// For connectors: no redirects, since a host was allowed and not what it points to.
pub fn connector_client() -> Result<reqwest::Client, StartError> {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().connect_timeout(Duration::from_secs(3));
    client.build().map_err(|problem| StartError::Graph(problem.to_string()))
}
