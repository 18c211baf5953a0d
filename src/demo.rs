//! `vaultcast demo`: a vault with three users, a link that signs in as each, and what to try first.
//!
//! The demo signs in whoever asks, which is why it listens to this machine only.

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
    api::{ApiError, at},
    auth::Tokens,
    domain::{Command, Mutation, Principal, Role, UserId, UserRef, VaultId, ids::MembershipId},
    journal::NewVault,
    problem::Problem,
    vault::{VaultError, Vaults},
};

/// The demo vault's id, the same in every demo, so that examples can name it.
pub const VAULT: &str = "cdemovault0000000000000000";

/// How long a sign-in lasts.
const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

const PAGE: &str = include_str!("../web/demo.html");

/// A demo that is ready to be visited.
#[derive(Clone)]
pub struct Demo {
    tokens: Tokens,
}

impl Demo {
    /// Makes the demo vault and its members, or takes those that an earlier demo left.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn prepare(vaults: &Vaults, tokens: Tokens) -> Result<Self, VaultError> {
        let id = VaultId::parse(VAULT).expect("the demo vault's id is one");
        let owner = user(Role::Owner);
        for role in Role::ALL {
            vaults.journal().record_user(user(role)).await?;
        }
        if vaults.journal().load(&id).await?.is_some() {
            // As its users left it: members may have been removed or changed, and the vault deleted.
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

    /// The pages that only the demo has.
    pub fn routes(&self) -> impl FnOnce(&mut web::ServiceConfig) + use<> {
        let demo = web::Data::new(self.clone());
        move |config| {
            config
                .app_data(demo)
                .service(at("/").get(page))
                .service(at("/demo/sign-in").get(sign_in));
        }
    }

    /// What the demo prints when it is ready.
    pub fn greeting(&self, addr: SocketAddr) -> String {
        let link = |role: Role| format!("  {role:<12} http://{addr}/demo/sign-in?as={role}");
        let links = Role::ALL.map(link).join("\n");
        let curl = self.curl(&format!("http://{addr}"));
        format!(
            "\nvaultcast demo: sign in as one of three users of the demo vault\n{links}\n\n\
             Listen to the vault with the official Socket.IO client:\n  \
             npm install --no-save socket.io-client && node examples/listen.mjs http://{addr}\n\n\
             and in another terminal add a source to it:\n  {curl}\n"
        )
    }

    /// A command line that adds a source as the demo's contributor.
    fn curl(&self, url: &str) -> String {
        let token = self.token(Role::Contributor);
        format!(
            "curl -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' \
             -d '{{\"title\":\"Hello\",\"fileUrl\":\"https://example.com/hello.pdf\"}}' \
             {url}/api/vaults/{VAULT}/sources"
        )
    }

    fn token(&self, role: Role) -> String {
        self.tokens.issue(&user(role), SystemTime::now(), A_DAY)
    }
}

/// The demo's user in this role.
fn user(role: Role) -> Principal {
    let name = match role {
        Role::Owner => "Olivia Owner",
        Role::Contributor => "Carl Contributor",
        Role::Viewer => "Vera Viewer",
    };
    Principal {
        id: UserId::new(format!("demo-{role}")).expect("a role's name is visible ASCII"),
        name: Some(name.to_owned()),
        email: Some(format!("{role}@demo.com")),
    }
}

#[derive(Deserialize)]
struct SignIn {
    r#as: Role,
}

/// Whom somebody wants to be, as the link says.
type WhoToBe = Result<web::Query<SignIn>, actix_web::Error>;

/// Sets the session cookie, as the application beside the service would, and leads to the page.
async fn sign_in(demo: web::Data<Demo>, query: WhoToBe) -> Result<HttpResponse, ApiError> {
    let wrong = |_| Problem::invalid_field("as", "must be owner, contributor or viewer");
    let role = query.map_err(wrong)?.r#as;
    let cookie = Cookie::build("authjs.session-token", demo.token(role))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .finish();
    Ok(HttpResponse::SeeOther()
        .cookie(cookie)
        .insert_header((header::LOCATION, "/"))
        .finish())
}

/// Says what to do next, under the address that the visitor used.
async fn page(demo: web::Data<Demo>, request: HttpRequest) -> HttpResponse {
    let host = request.headers().get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    let url = format!("http://{host}");
    let page = PAGE
        .replace("{{curl}}", &escape(&demo.curl(&url)))
        .replace("{{url}}", &escape(&url));
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(page)
}

/// Text as HTML.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}
