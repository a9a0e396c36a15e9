//! Proxies and certificates of own authorities.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use refrain_net::{AddressPolicy, ClientError, HttpFailure, HttpRequest, ProxySettings, TransferLimits};
use url::Url;

use super::*;

const LIMITS: TransferLimits = TransferLimits { bytes: 1000, total: Duration::from_secs(5) };

async fn body(client: &HttpClient, url: &str) -> Result<Bytes, HttpFailure> {
    let url = Url::parse(url).unwrap();
    let request = HttpRequest::new(&url, &AddressPolicy::PublicOnly);
    client.fetch(request, LIMITS).await.map(|(_, body)| body).map_err(|error| error.reason)
}

fn with_proxy(proxy: &str, no_proxy: &str) -> HttpClient {
    let proxy = Some(Url::parse(proxy).unwrap());
    let proxy = ProxySettings { http: proxy.clone(), https: proxy, no_proxy: no_proxy.to_owned() };
    HttpClient::new(HttpSettings { proxy: Some(proxy), ..HttpSettings::default() }).unwrap()
}

#[tokio::test]
async fn proxy_receives_requests_for_names_that_only_it_can_resolve() {
    let origin = origin().await;
    origin.put("/x", "through the proxy", "");
    let target = "http://stream.invalid/x";
    // The name of the proxy resolves to a private address, which no other name may do.
    let proxy = format!("http://user:hush@localhost:{}", origin.address().port());
    assert_eq!(&body(&with_proxy(&proxy, ""), target).await.unwrap()[..], b"through the proxy");
    let credentials = origin.requests()[0].headers.contains_key("proxy-authorization");
    assert!(credentials);
    let direct = with_proxy(&proxy, "stream.invalid,other.example");
    assert!(matches!(body(&direct, target).await, Err(HttpFailure::Connect(_))));
    let without = HttpClient::new(HttpSettings::default()).unwrap();
    assert!(matches!(body(&without, target).await, Err(HttpFailure::Connect(_))));
    assert_eq!(origin.requests().len(), 1);
    // Literal addresses are checked before the proxy is used.
    assert_eq!(body(&with_proxy(&proxy, ""), "http://10.0.0.1/x").await, Err(HttpFailure::Refused));
}

/// A server of files over TLS, which is stopped when the value is dropped. Its output is kept open, because it ends when it
/// cannot write.
struct TlsServer {
    process: Child,
    _output: BufReader<ChildStdout>,
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn openssl(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new("openssl");
    command.args(arguments.split(' ')).current_dir(folder).stderr(Stdio::null());
    command
}

/// Creates an authority and a certificate of 127.0.0.1 in `folder`, and starts a server of the files in it. Returns the
/// server and its port.
fn tls_server(folder: &Path) -> (TlsServer, u16) {
    std::fs::write(folder.join("extensions"), "subjectAltName=IP:127.0.0.1\n").unwrap();
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    for arguments in [
        format!("req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=Test -days 2"),
        format!("req {key} -keyout leaf.key -out leaf.csr -subj /CN=leaf"),
        "x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out leaf.pem"
            .to_owned(),
    ] {
        assert!(openssl(folder, &arguments).status().unwrap().success(), "{arguments}");
    }
    let arguments = "s_server -accept 127.0.0.1:0 -cert leaf.pem -key leaf.key -WWW";
    let mut server = openssl(folder, arguments).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(server.stdout.take().unwrap());
    let lines = stdout.by_ref().lines().map_while(Result::ok);
    let address = lines.filter_map(|line| line.strip_prefix("ACCEPT ").map(str::to_owned)).next().unwrap();
    let (_, port) = address.rsplit_once(':').unwrap();
    (TlsServer { process: server, _output: stdout }, port.parse().unwrap())
}

#[tokio::test]
async fn certificate_of_an_own_authority_is_accepted_if_it_is_in_the_settings() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, port) = tls_server(folder.path());
    std::fs::write(folder.path().join("x"), "good").unwrap();
    let url = Url::parse(&format!("https://127.0.0.1:{port}/x")).unwrap();
    let fetch = async |settings: HttpSettings| {
        let request = HttpRequest::new(&url, &AddressPolicy::AllowPrivate);
        HttpClient::new(settings).unwrap().fetch(request, LIMITS).await.map(|(_, body)| body)
    };
    let failure = fetch(HttpSettings::default()).await.unwrap_err().reason;
    assert!(matches!(failure, HttpFailure::Connect(_)), "{failure:?}");
    let certificates = Some(std::fs::read(folder.path().join("ca.pem")).unwrap().into());
    let body = fetch(HttpSettings { certificates, ..HttpSettings::default() }).await.unwrap();
    assert_eq!(&body[..], b"good");
    let certificates = Some(b"no certificate".to_vec().into());
    let error = HttpClient::new(HttpSettings { certificates, ..HttpSettings::default() }).unwrap_err();
    assert!(matches!(error, ClientError::Certificates), "{error}");
}
