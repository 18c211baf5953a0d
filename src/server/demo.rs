//! `vaultcast demo`: a vault with three users, and a sign-in link for each.
//!
//! The sign-in links need no password, so the demo listens on loopback only.

use std::{
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use actix_web::{
    HttpRequest, HttpResponse,
    cookie::{Cookie, CookieBuilder, SameSite, time::Duration as CookieAge},
    http::header::{self, HeaderMap, HeaderName},
    web,
};
use serde::{Deserialize, Serialize};

use crate::{
    access::host::RequestHost,
    api::{self, ApiError, path},
    auth::JwtKeys,
    config::{AuthConfig, BasePath},
    contract::problem::{ErrorCode, Problem},
    domain::{
        Command, Mutation, Principal, Role, UserId, UserProfile, UserRef, VaultId,
        ids::MembershipId,
    },
    journal::NewVault,
    vault::{VaultError, Vaults},
};

/// Id of the demo vault; fixed, so that examples can name it.
const VAULT_ID: &str = "cdemovault0000000000000000";

/// The name of the session cookie.
const COOKIE: &str = "authjs.session-token";

/// Lifetime of a demo session.
const SESSION_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// Returns the default configuration, with the demo's cookie before those that other projects may have left on this host.
pub(super) fn auth_config() -> AuthConfig {
    let mut config = AuthConfig::default();
    config.cookies.sort_by_key(|name| name.as_str() != COOKIE);
    config
}

/// A prepared demo.
#[derive(Clone)]
pub struct Demo {
    tokens: JwtKeys,
    /// The prefix of the routes (`server.base_path`).
    base_path: BasePath,
}

impl Demo {
    /// Creates the demo vault and its members, unless an earlier demo has created them. The routes of the demo are below
    /// `base_path`.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn prepare(
        vaults: &Vaults,
        tokens: JwtKeys,
        base_path: BasePath,
    ) -> Result<Self, VaultError> {
        let id = VaultId::parse(VAULT_ID).expect("the id of the demo vault is valid");
        let owner = user(Role::Owner);
        let demo = Self { tokens, base_path };
        for role in Role::ALL {
            let (principal, issued_at) = (user(role), None);
            let profile = UserProfile {
                principal,
                issued_at,
            };
            vaults.journal().record_user(profile).await?;
        }
        if vaults.journal().load(&id).await?.is_some() {
            // Kept as it is: its users may have changed or removed members.
            return Ok(demo);
        }
        let new = NewVault {
            id: id.clone(),
            membership: MembershipId::generate(),
            name: "Demo vault".to_owned(),
            by: owner.clone(),
            key: None,
        };
        vaults.create(new).await?;
        for role in [Role::Contributor, Role::Viewer] {
            let command = Command::AddMember {
                id: MembershipId::generate(),
                user: UserRef::Id(user(role).id),
                role,
            };
            let (by, key) = (owner.clone(), None);
            vaults
                .open(&id)
                .submit(Mutation { by, command, key })
                .await?;
        }
        Ok(demo)
    }

    /// Returns the routes that only the demo serves.
    pub fn routes(&self) -> impl FnOnce(&mut web::ServiceConfig) + use<> {
        let demo = web::Data::new(self.clone());
        move |config| {
            config
                .app_data(demo)
                .service(path("/demo/split").get(api::app_page))
                .service(path("/demo/sign-in").get(sign_in))
                .service(path("/demo/sign-out").get(sign_out))
                .service(path("/demo/token").get(token))
                .service(path("/page.json").get(page_info));
        }
    }

    /// Returns the instructions that are printed when the demo is ready.
    pub fn greeting(&self, addr: SocketAddr) -> String {
        let url = format!("http://{addr}{}", self.base_path);
        let link = |role: Role| format!("  {role:<12} {url}/demo/sign-in?as={role}");
        let links = Role::ALL.map(link).join("\n");
        let token = |role: Role| format!("  {role:<12} {}", self.token(role));
        let tokens = Role::ALL.map(token).join("\n");
        let curl = self.curl(&url);
        format!(
            "\nvaultcast demo: open {url}/ to see two users of the demo vault side by side, or sign in as one of three\n{links}\n\n\
             or with a token (Authorization: Bearer TOKEN, or io(url, {{ auth: {{ token }} }})), valid for one day\n{tokens}\n\n\
             Subscribe to the vault with the official Socket.IO client:\n  \
             npm install --no-save socket.io-client && node examples/listen.mjs {url}\n\n\
             and in another terminal add a source to it:\n  {curl}\n"
        )
    }

    /// Returns a command line that adds a source as the demo contributor.
    fn curl(&self, url: &str) -> String {
        let token = self.token(Role::Contributor);
        format!(
            "curl -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' \
             -d '{{\"title\":\"Hello\",\"fileUrl\":\"https://example.com/hello.pdf\"}}' \
             {url}/api/vaults/{VAULT_ID}/sources"
        )
    }

    fn redirect_to_page(&self, cookie: &Cookie<'_>) -> HttpResponse {
        HttpResponse::SeeOther()
            .cookie(cookie.clone())
            .insert_header((header::LOCATION, format!("{}/", self.base_path)))
            .finish()
    }

    fn token(&self, role: Role) -> String {
        self.tokens
            .issue(&user(role), SystemTime::now(), SESSION_TTL)
    }
}

/// Returns the demo user with this role.
fn user(role: Role) -> Principal {
    let name = match role {
        Role::Owner => "Olivia Owner",
        Role::Contributor => "Carl Contributor",
        Role::Viewer => "Vera Viewer",
    };
    Principal {
        id: UserId::new(format!("demo-{role}")).expect("the name of a role is visible ASCII"),
        name: Some(name.to_owned()),
        email: Some(format!("{role}@demo.com")),
    }
}

#[derive(Deserialize)]
struct UserQuery {
    r#as: Role,
}

/// The query that names a demo user by its role; an error when the role is missing or unknown.
type UserQueryResult = Result<web::Query<UserQuery>, actix_web::Error>;

fn requested_role(query: UserQueryResult) -> Result<Role, ApiError> {
    let invalid = |_| Problem::invalid_field("as", "must be owner, contributor or viewer");
    Ok(query.map_err(invalid)?.r#as)
}

/// Sets the session cookie, as the application would, and redirects to the page.
async fn sign_in(
    demo: web::Data<Demo>,
    query: UserQueryResult,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let role = requested_role(query)?;
    if !names_loopback(request.headers()) {
        let message = "Sessions of the demo are for an address or name of loopback only";
        return Err(Problem::new(ErrorCode::OriginNotAllowed, message).into());
    }
    let cookie = session_cookie(demo.token(role));
    Ok(demo.redirect_to_page(&cookie.finish()))
}

/// Removes the session cookie and redirects to the page.
async fn sign_out(demo: web::Data<Demo>) -> HttpResponse {
    demo.redirect_to_page(
        &session_cookie(String::new())
            .max_age(CookieAge::ZERO)
            .finish(),
    )
}

/// Returns the session cookie. Its path has no prefix, because Socket.IO, which needs the cookie as well, has none.
fn session_cookie(token: String) -> CookieBuilder<'static> {
    Cookie::build(COOKIE, token)
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
}

/// Answers a token of a demo user. The split view connects two users with two tokens, because a browser has one session cookie.
async fn token(
    demo: web::Data<Demo>,
    query: UserQueryResult,
    request: HttpRequest,
) -> Result<web::Json<TokenAnswer>, ApiError> {
    let role = requested_role(query)?;
    if !is_from_own_page(request.headers()) {
        let message = "Tokens of the demo are for its own page";
        return Err(Problem::new(ErrorCode::OriginNotAllowed, message).into());
    }
    let token = demo.token(role);
    Ok(web::Json(TokenAnswer { token }))
}

#[derive(Serialize)]
struct TokenAnswer {
    token: String,
}

/// Returns whether no page of another site has sent the request: neither directly, nor by a name that resolves to loopback (DNS
/// rebinding). Clients other than browsers do not send `Sec-Fetch-Site`.
fn is_from_own_page(headers: &HeaderMap) -> bool {
    let site = headers.get(HeaderName::from_static("sec-fetch-site"));
    let is_own_site = site.is_none_or(|site| site == "same-origin" || site == "none");
    is_own_site && names_loopback(headers)
}

/// Returns whether `Host` is a loopback address or `localhost`. The name of another site can resolve to loopback, too (DNS rebinding);
/// its page would have the session.
fn names_loopback(headers: &HeaderMap) -> bool {
    match RequestHost::of(headers) {
        RequestHost::Address(address) => address.is_loopback(),
        RequestHost::Localhost => true,
        RequestHost::Missing | RequestHost::Other(_) => false,
    }
}

/// What the page needs to know of the demo.
#[derive(Serialize)]
struct DemoInfo {
    #[serde(rename = "vaultId")]
    vault_id: &'static str,
    users: Vec<DemoUser>,
}

#[derive(Serialize)]
struct DemoUser {
    role: Role,
    id: String,
    name: Option<String>,
    email: Option<String>,
}

/// Handles `GET /page.json`: the page shows the users of the demo and offers the split view.
async fn page_info() -> web::Json<PageInfo> {
    let users = Role::ALL.map(|role| {
        let Principal { id, name, email } = user(role);
        let id = id.to_string();
        DemoUser {
            role,
            id,
            name,
            email,
        }
    });
    let demo = DemoInfo {
        vault_id: VAULT_ID,
        users: users.into(),
    };
    web::Json(PageInfo { demo })
}

#[derive(Serialize)]
struct PageInfo {
    demo: DemoInfo,
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[track_caller]
    fn check(expected: bool, headers: &[(&'static str, &'static str)]) {
        let request = headers
            .iter()
            .fold(TestRequest::default(), |request, header| {
                request.insert_header(*header)
            });
        let request = request.to_http_request();
        assert_eq!(is_from_own_page(request.headers()), expected, "{headers:?}");
    }

    #[test]
    fn tokens_are_for_loopback_hosts_and_pages_of_the_same_origin() {
        for host in [
            "127.0.0.1:3000",
            "localhost:3000",
            "LOCALHOST",
            "[::1]:3000",
            "[::1]",
            "[::ffff:127.0.0.1]:3000",
        ] {
            check(true, &[("host", host)]);
            check(true, &[("host", host), ("sec-fetch-site", "same-origin")]);
            check(true, &[("host", host), ("sec-fetch-site", "none")]);
            check(false, &[("host", host), ("sec-fetch-site", "same-site")]);
            check(false, &[("host", host), ("sec-fetch-site", "cross-site")]);
        }
        for host in [
            "evil.example:3000",
            "192.0.2.1",
            "127.0.0.1.evil.example",
            "",
        ] {
            check(false, &[("host", host)]);
        }
        check(false, &[]);
    }
}
