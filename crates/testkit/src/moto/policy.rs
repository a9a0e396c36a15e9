//! Users with policies, which moto can enforce, and topics.

use std::io;

use super::Moto;
use super::client::{check_status, percent_encoded, signed};

/// Access key of a user.
#[derive(Debug, Clone)]
pub struct AccessKey {
    /// Value of `AWS_ACCESS_KEY_ID`.
    pub id: String,
    /// Value of `AWS_SECRET_ACCESS_KEY`.
    pub secret: String,
}

impl Moto {
    /// Creates a user with one policy (a JSON text) and an access key.
    ///
    /// # Errors
    /// Fails if the server does not respond or rejects the request.
    pub fn make_user(&self, name: &str, policy: &str) -> io::Result<AccessKey> {
        let iam = |action: &str, more: &str| {
            self.query(
                "iam",
                &format!("Action={action}&Version=2010-05-08&UserName={}{more}", percent_encoded(name)),
            )
        };
        iam("CreateUser", "")?;
        iam("PutUserPolicy", &format!("&PolicyName=policy&PolicyDocument={}", percent_encoded(policy)))?;
        let key = iam("CreateAccessKey", "")?;
        Ok(AccessKey { id: element(&key, "AccessKeyId")?, secret: element(&key, "SecretAccessKey")? })
    }

    /// Creates a topic. Returns its ARN.
    ///
    /// # Errors
    /// As for [`Self::make_user`].
    pub fn make_topic(&self, name: &str) -> io::Result<String> {
        let response = self
            .query("sns", &format!("Action=CreateTopic&Version=2010-03-31&Name={}", percent_encoded(name)))?;
        element(&response, "TopicArn")
    }

    /// Enables or disables the enforcement of policies and signatures. The other methods of this type work only while
    /// the enforcement is disabled, because their requests are not signed.
    ///
    /// # Errors
    /// As for [`Self::make_user`].
    pub fn enforce_policies(&self, enforce: bool) -> io::Result<()> {
        // moto starts to enforce policies after this number of requests.
        let free_requests = if enforce { "0" } else { "1000000000" };
        let headers = ["content-type: text/plain"];
        self.http("POST", "/moto-api/reset-auth", &headers, free_requests.as_bytes()).and_then(check_status)
    }

    /// Returns the lines of the server's log about requests that were denied.
    ///
    /// # Errors
    /// Fails if the log cannot be read.
    pub fn denied(&self) -> io::Result<Vec<String>> {
        let log = std::fs::read_to_string(self.folder.path().join("log"))?;
        Ok(log.lines().filter(|line| line.contains(" 403 -")).map(str::to_owned).collect())
    }

    fn query(&self, service: &str, form: &str) -> io::Result<String> {
        let headers = [&signed(service), "content-type: application/x-www-form-urlencoded"];
        let (status, body) = self.http("POST", "/", &headers, form.as_bytes())?;
        let text = String::from_utf8_lossy(&body).into_owned();
        check_status((status, body))?;
        Ok(text)
    }
}

/// Returns the text of the first XML element with this name.
fn element(xml: &str, name: &str) -> io::Result<String> {
    let found = xml.split_once(&format!("<{name}>")).and_then(|(_, rest)| rest.split_once("</"));
    found.map(|(text, _)| text.to_owned()).ok_or_else(|| io::Error::other(format!("no {name} in {xml}")))
}
