//! scratch: compare HTTP clients
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unused)]
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::*;
use hyper::{Method, Request, Uri};
use std::io::{Read, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

fn cpu() -> Duration {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(t.tv_sec as u64, t.tv_nsec as u32)
}
async fn serve(mut s: tokio::net::TcpStream) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    s.set_nodelay(true).unwrap();
    let mut buf = vec![0u8; 16384];
    let mut have = 0;
    let body = br#"{"messaging_product":"whatsapp","contacts":[{"input":"+16505550123","wa_id":"16505550123"}],"messages":[{"id":"wamid.HBgLMTY1MDU1NTAxMjMVAgARGBI5QTNDQTVCM0Q0Q0Q2RTY3RTcA"}]}"#;
    let resp = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=UTF-8\r\nfacebook-api-version: v25.0\r\nx-fb-trace-id: AbCdEf\r\nStrict-Transport-Security: max-age=15552000; preload\r\nPragma: no-cache\r\nCache-Control: private, no-cache, no-store, must-revalidate\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let resp = [resp.as_bytes(), body].concat();
    loop {
        loop {
            if let Some(p) = buf[..have].windows(4).position(|w| w == b"\r\n\r\n") {
                let head = std::str::from_utf8(&buf[..p]).unwrap().to_ascii_lowercase();
                let len: usize = head.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap().parse().unwrap();
                if have >= p + 4 + len {
                    buf.copy_within(p + 4 + len..have, 0);
                    have -= p + 4 + len;
                    break;
                }
            }
            let n = s.read(&mut buf[have..]).await.unwrap_or(0);
            if n == 0 {
                return;
            }
            have += n;
        }
        if s.write_all(&resp).await.is_err() {
            return;
        }
    }
}
const PAYLOAD: &str = r#"{"messaging_product":"whatsapp","recipient_type":"individual","to":"+16505550123","type":"interactive","interactive":{"type":"button","body":{"text":"You have 1,200 gems, 35 of them bonus, and 3 rewards to claim. What would you like to do next?"},"action":{"buttons":[{"type":"reply","reply":{"id":"history","title":"Transaction History"}},{"type":"reply","reply":{"id":"claim","title":"Claim Rewards"}},{"type":"reply","reply":{"id":"agent","title":"Speak to Agent"}}]}},"biz_opaque_callback_data":"q1.123456.17"}"#;

fn run<F, Fut>(name: &str, f: F)
where
    F: Fn() -> Fut + Clone + 'static,
    Fut: std::future::Future<Output = usize> + 'static,
{
    let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    local.block_on(&rt, async move {
        for (round, inflight, per) in [(0, 64, 200), (1, 64, 1500), (2, 64, 1500), (3, 256, 400)] {
            let (c0, t0) = (cpu(), Instant::now());
            let mut hs = vec![];
            for _ in 0..inflight {
                let f = f.clone();
                hs.push(tokio::task::spawn_local(async move {
                    for _ in 0..per {
                        assert!(f().await > 50);
                    }
                }));
            }
            for h in hs {
                h.await.unwrap();
            }
            let n = (inflight * per) as u32;
            println!(
                "{name} round {round} inflight {inflight}: cpu {:?}/req, wall {:.0}/s",
                (cpu() - c0) / n,
                n as f64 / t0.elapsed().as_secs_f64()
            );
        }
    });
}
struct Pool {
    idle: Mutex<Vec<hyper::client::conn::http1::SendRequest<Full<Bytes>>>>,
    addr: std::net::SocketAddr,
}
fn main() {
    let l = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = l.local_addr().unwrap();
    std::thread::spawn(move || {
        let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        rt.block_on(async move {
            l.set_nonblocking(true).unwrap();
            let l = tokio::net::TcpListener::from_std(l).unwrap();
            loop {
                let (s, _) = l.accept().await.unwrap();
                tokio::spawn(serve(s));
            }
        });
    });
    let which = std::env::args().nth(1).unwrap_or_default();
    let url = format!("http://{addr}/v25.0/100000000000001/messages");
    {
        let client = reqwest::Client::builder()
            .no_proxy()
            .pool_max_idle_per_host(1000)
            .timeout(Duration::from_secs(35))
            .connect_timeout(Duration::from_secs(5))
            .tcp_nodelay(true)
            .http1_only()
            .build()
            .unwrap();
        let u = url.clone();
        run("reqwest", move || {
            let c = client.clone();
            let u = u.clone();
            async move {
                c.post(&u)
                    .bearer_auth("EAAJtokentokentokentokentokentokentokentokentokentokentokentokentokentoken")
                    .header("content-type", "application/json")
                    .body(PAYLOAD.as_bytes().to_vec())
                    .send()
                    .await
                    .unwrap()
                    .bytes()
                    .await
                    .unwrap()
                    .len()
            }
        });
    }
    {
        let mut h = hyper_util::client::legacy::connect::HttpConnector::new();
        h.set_nodelay(true);
        let client: hyper_util::client::legacy::Client<_, Full<Bytes>> =
            hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
                .pool_max_idle_per_host(1000)
                .pool_idle_timeout(Duration::from_secs(20))
                .pool_timer(hyper_util::rt::TokioTimer::new())
                .build(h);
        let uri: Uri = url.parse().unwrap();
        let mut auth = HeaderValue::from_static("Bearer EAAJtokentokentokentokentokentokentokentokentokentokentokentokentokentoken");
        auth.set_sensitive(true);
        run("hyper-util", move || {
            let c = client.clone();
            let uri = uri.clone();
            let auth = auth.clone();
            async move {
                tokio::time::timeout(Duration::from_secs(35), async move {
                    let req = Request::builder()
                        .method(Method::POST)
                        .uri(uri)
                        .header(AUTHORIZATION, auth)
                        .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
                        .body(Full::new(Bytes::from(PAYLOAD.as_bytes().to_vec())))
                        .unwrap();
                    let r = c.request(req).await.unwrap();
                    r.into_body().collect().await.unwrap().to_bytes().len()
                })
                .await
                .unwrap()
            }
        });
    }
    {
        let pool = std::rc::Rc::new(Pool { idle: Mutex::new(vec![]), addr });
        let uri: Uri = "/v25.0/100000000000001/messages".parse().unwrap();
        let host = HeaderValue::from_str(&addr.to_string()).unwrap();
        let auth = HeaderValue::from_static("Bearer EAAJtokentokentokentokentokentokentokentokentokentokentokentokentokentoken");
        run("hyper-conn", move || {
            let p = pool.clone();
            let uri = uri.clone();
            let auth = auth.clone();
            let host = host.clone();
            async move {
                tokio::time::timeout(Duration::from_secs(35), async move {
                    let idle = p.idle.lock().unwrap().pop();
                    let mut s = match idle {
                        Some(s) => s,
                        None => {
                            let t = tokio::net::TcpStream::connect(p.addr).await.unwrap();
                            t.set_nodelay(true).unwrap();
                            let (s, conn) = hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(t)).await.unwrap();
                            tokio::task::spawn_local(conn);
                            s
                        }
                    };
                    s.ready().await.unwrap();
                    let req = Request::builder()
                        .method(Method::POST)
                        .uri(uri)
                        .header(HOST, host)
                        .header(AUTHORIZATION, auth)
                        .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
                        .body(Full::new(Bytes::from(PAYLOAD.as_bytes().to_vec())))
                        .unwrap();
                    let r = s.send_request(req).await.unwrap();
                    let n = r.into_body().collect().await.unwrap().to_bytes().len();
                    p.idle.lock().unwrap().push(s);
                    n
                })
                .await
                .unwrap()
            }
        });
    }
}
