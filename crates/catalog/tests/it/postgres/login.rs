//! Servers that are missing, and servers that reject the login.

use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use refrain_catalog::CatalogError;
use refrain_testkit::PostgresServer;
use sqlx::ConnectOptions;

use super::{Database, rejection};

#[tokio::test]
async fn a_wrong_password_is_rejected() {
    let server = PostgresServer::builder().password("right").start().unwrap();
    let url = server.create_database("songs").unwrap();
    refrain_catalog::open(&url).await.unwrap();
    let error = rejection(&url.replace(":right@", ":secret-but-wrong@")).await;
    assert!(matches!(error, CatalogError::LoginRefused { .. }) && !error.is_retryable(), "{error:?}");
    let text = format!("{error} {error:?}");
    assert!(text.contains("postgres://postgres@127.0.0.1") && text.contains("PGPASSWORD"), "{text}");
    assert!(!text.contains("secret"), "{text}");
    let error = rejection(&url.replace("postgres:right@", "nobody:right@")).await;
    assert!(matches!(error, CatalogError::LoginRefused { .. }), "{error:?}");
}

#[tokio::test]
async fn a_missing_database_is_reported() {
    let database = Database::new();
    let url: String = database.options().database("no such songs").to_url_lossy().into();
    let error = rejection(&url).await;
    assert!(matches!(error, CatalogError::NoSuchDatabase { .. }) && !error.is_retryable(), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("no such songs") && text.contains("createdb"), "{text}");
}

#[tokio::test]
async fn a_missing_server_is_reported() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let started = Instant::now();
    for url in [
        format!("postgres://me:secret@127.0.0.1:{free}/songs"),
        format!("postgresql://me:secret@127.0.0.1:{free}/songs?application_name=secret"),
        "postgres://me:secret@nowhere.invalid/songs".to_owned(),
        "postgres://me:secret@%2Fnowhere/songs".to_owned(),
    ] {
        let error = rejection(&url).await;
        assert!(matches!(error, CatalogError::Unreachable { .. }) && error.is_retryable(), "{error:?}");
        let text = format!("{error} {error:?}");
        assert!(text.contains("postgres://me@") && text.contains("/songs"), "{text}");
        assert!(!text.contains("secret"), "{text}");
    }
    assert!(started.elapsed() < Duration::from_secs(30), "opening does not retry");
}

#[tokio::test]
async fn invalid_urls_are_rejected_without_revealing_secrets() {
    for url in [
        "postgres://me:secret@host:port/songs",
        "postgres://me:secret@host/songs?sslmode=sometimes",
        "postgres://me:secret@host/songs?port=secret",
        "postgres://me:secret@one,two:5432,5433/songs",
        "postgres:",
    ] {
        let error = rejection(url).await;
        let text = format!("{error} {error:?}");
        assert!(!text.contains("secret"), "{text}");
        assert!(!matches!(error, CatalogError::Database { .. }), "{text}");
    }
}

/// Runs openssl in a folder.
fn openssl(folder: &std::path::Path, arguments: &str) {
    let output = Command::new("openssl").current_dir(folder).args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Creates an authority and a server certificate for a name, valid for `days` days from now.
fn certificate(folder: &std::path::Path, name: &str, days: &str) -> (String, String) {
    let write = |file: &str, text: &str| std::fs::write(folder.join(file), text).unwrap();
    let read = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap();
    write("extension", &format!("subjectAltName=DNS:{name}\nbasicConstraints=CA:FALSE\n"));
    let ec = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(folder, &format!("req -x509 {ec} -keyout ca.key -out ca.crt -subj /CN=authority -days 9"));
    openssl(folder, &format!("req {ec} -keyout server.key -out server.csr -subj /CN={name}"));
    openssl(
        folder,
        &format!(
            "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -extfile extension \
             -out server.crt -days {days}"
        ),
    );
    (read("server.crt"), read("server.key"))
}

#[tokio::test]
async fn untrusted_encryption_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.crt").display().to_string();
    let (certificate_text, key) = certificate(folder.path(), "localhost", "9");
    let server = PostgresServer::builder().tls(&certificate_text, &key).start().unwrap();
    let url = server.create_database("songs").unwrap().replace("127.0.0.1", "localhost");
    for good in [
        format!("{url}?sslmode=require"),
        format!("{url}?sslmode=verify-full&sslrootcert={ca}"),
        format!("{}?sslmode=verify-ca&sslrootcert={ca}", url.replace("localhost", "127.0.0.1")),
    ] {
        refrain_catalog::open(&good).await.unwrap();
    }
    for (bad, word) in [
        (format!("{url}?sslmode=verify-full"), "authority"),
        (
            format!("{}?sslmode=verify-full&sslrootcert={ca}", url.replace("localhost", "127.0.0.1")),
            "verify-ca",
        ),
        (format!("{url}?sslmode=verify-full&sslrootcert=/nowhere/ca.crt"), "sslrootcert"),
    ] {
        let error = rejection(&bad).await;
        assert!(matches!(error, CatalogError::Tls { .. }) && !error.is_retryable(), "{error:?}");
        assert!(error.to_string().contains(word), "{error}");
    }

    let (version_1, key) = version_1_certificate(folder.path());
    let server = PostgresServer::builder().tls(&version_1, &key).start().unwrap();
    let url = server.create_database("songs").unwrap();
    for mode in ["verify-ca", "verify-full"] {
        let error = rejection(&format!("{url}?sslmode={mode}&sslrootcert={ca}")).await;
        assert!(matches!(error, CatalogError::Tls { .. }), "{mode}: {error:?}");
    }

    let (expired, key) = certificate(folder.path(), "localhost", "-1");
    let server = PostgresServer::builder().tls(&expired, &key).start().unwrap();
    let url = server.create_database("songs").unwrap().replace("127.0.0.1", "localhost");
    let error = rejection(&format!("{url}?sslmode=verify-full&sslrootcert={ca}")).await;
    assert!(matches!(error, CatalogError::Tls { .. }), "{error:?}");
    assert!(error.to_string().contains("renew"), "{error}");

    let server = PostgresServer::new().unwrap();
    let error = rejection(&format!("{}?sslmode=require", server.url("postgres"))).await;
    assert!(matches!(error, CatalogError::Tls { .. }), "{error:?}");
}

/// Creates a self-signed certificate of X.509 version 1, as Citus and old instructions do. openssl generates version 1
/// when it signs a request without extensions.
fn version_1_certificate(folder: &std::path::Path) -> (String, String) {
    let read = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap();
    openssl(folder, "req -newkey rsa:2048 -nodes -keyout one.key -out one.csr -subj /CN=citus");
    openssl(folder, "x509 -req -in one.csr -signkey one.key -out one.crt -days 9");
    let mut show = Command::new("openssl");
    show.current_dir(folder).args(["x509", "-in", "one.crt", "-noout", "-text"]);
    let text = show.output().unwrap().stdout;
    assert!(String::from_utf8_lossy(&text).contains("Version: 1 "), "openssl made another version");
    (read("one.crt"), read("one.key"))
}

#[tokio::test]
async fn any_certificate_is_accepted_without_verification() {
    let folder = tempfile::tempdir().unwrap();
    for ((certificate, key), setting) in [
        (version_1_certificate(folder.path()), "ssl_min_protocol_version = 'TLSv1.3'"),
        (version_1_certificate(folder.path()), "ssl_max_protocol_version = 'TLSv1.2'"),
        (certificate(folder.path(), "elsewhere.example", "-1"), ""),
    ] {
        let server = PostgresServer::builder().tls(&certificate, &key).setting(setting).password("right");
        let server = server.start().unwrap();
        let url = server.create_database("songs").unwrap();
        for parameters in ["", "?sslmode=prefer", "?sslmode=require"] {
            let catalog = refrain_catalog::open(&format!("{url}{parameters}")).await.unwrap();
            assert_eq!(catalog.count().await.unwrap(), 0);
            let facts = catalog.health(false).await.unwrap();
            let encryption = facts.iter().find(|fact| format!("{fact:?}").contains("encryption")).unwrap();
            assert!(format!("{encryption:?}").contains("TLS"), "{encryption:?}");
            // Changes are announced through a separate connection.
            assert!(
                !catalog
                    .wait_for_change(catalog.position().await.unwrap(), Duration::from_millis(1))
                    .await
                    .unwrap()
            );
            catalog.close().await.unwrap();
        }
        let error = rejection(&format!("{}?sslmode=require", url.replace(":right@", ":wrong@"))).await;
        assert!(matches!(error, CatalogError::LoginRefused { .. }), "{error:?}");
    }
}
