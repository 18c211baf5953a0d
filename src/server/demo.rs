//! `vaultcast demo`: a vault with three users, and a sign-in link for each.
//!
//! The sign-in links need no password, so the demo listens on loopback only.

use std::{
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use actix_web::{
    HttpRequest, HttpResponse,
    cookie::{Cookie, SameSite},
    http::header,
    web,
};
use serde::Deserialize;

use crate::{
    api::{ApiError, path},
    auth::JwtKeys,
    config::AuthConfig,
    contract::problem::Problem,
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

const PAGE: &str = include_str!("../../web/demo.html");

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
}

impl Demo {
    /// Creates the demo vault and its members, unless an earlier demo has created them.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn prepare(vaults: &Vaults, tokens: JwtKeys) -> Result<Self, VaultError> {
        let id = VaultId::parse(VAULT_ID).expect("the id of the demo vault is valid");
        let owner = user(Role::Owner);
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
            return Ok(Self { tokens });
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
        Ok(Self { tokens })
    }

    /// Returns the routes that only the demo serves.
    pub fn routes(&self) -> impl FnOnce(&mut web::ServiceConfig) + use<> {
        let demo = web::Data::new(self.clone());
        move |config| {
            config
                .app_data(demo)
                .service(path("/").get(page))
                .service(path("/demo/sign-in").get(sign_in));
        }
    }

    /// Returns the instructions that are printed when the demo is ready.
    pub fn greeting(&self, addr: SocketAddr) -> String {
        let link = |role: Role| format!("  {role:<12} http://{addr}/demo/sign-in?as={role}");
        let links = Role::ALL.map(link).join("\n");
        let token = |role: Role| format!("  {role:<12} {}", self.token(role));
        let tokens = Role::ALL.map(token).join("\n");
        let curl = self.curl(&format!("http://{addr}"));
        format!(
            "\nvaultcast demo: sign in as one of three users of the demo vault\n{links}\n\n\
             or with a token (Authorization: Bearer TOKEN, or io(url, {{ auth: {{ token }} }})), valid for one day\n{tokens}\n\n\
             Subscribe to the vault with the official Socket.IO client:\n  \
             npm install --no-save socket.io-client && node examples/listen.mjs http://{addr}\n\n\
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
struct SignInQuery {
    r#as: Role,
}

/// The query of a sign-in link; an error when the role is missing or unknown.
type SignInResult = Result<web::Query<SignInQuery>, actix_web::Error>;

/// Sets the session cookie, as the application would, and redirects to the page.
async fn sign_in(demo: web::Data<Demo>, query: SignInResult) -> Result<HttpResponse, ApiError> {
    let invalid = |_| Problem::invalid_field("as", "must be owner, contributor or viewer");
    let role = query.map_err(invalid)?.r#as;
    let cookie = Cookie::build(COOKIE, demo.token(role))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .finish();
    Ok(HttpResponse::SeeOther()
        .cookie(cookie)
        .insert_header((header::LOCATION, "/"))
        .finish())
}

/// Serves the page, with commands for the address that the browser used.
async fn page(demo: web::Data<Demo>, request: HttpRequest) -> HttpResponse {
    let host = request.headers().get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    let url = format!("http://{host}");
    let page = PAGE
        .replace("{{curl}}", &escape(&demo.curl(&url)))
        .replace("{{url}}", &escape(&url));
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .body(page)
}

/// Escapes text for HTML.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}
