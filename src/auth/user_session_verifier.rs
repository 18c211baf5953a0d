//! Verifies credentials by the configured strategy.

use std::sync::Arc;
use std::time::SystemTime;

use actix_web::http::header::HeaderMap;

use super::cookie_kind::{CookieKinds, CookieRelevance};
use super::credentials::{Credential, CredentialSource, Credentials};
use super::jwt::JwtKeys;
use super::secrets::Secrets;
use super::session::UserSession;
use super::session_refusal::{SessionError, SessionRefusal};
use super::token_verifier::TokenVerifier;
use super::user_session_cache::UserSessionCache;
use super::user_session_record::UserSessionTableError;
use super::user_session_table::UserSessionTable;
use crate::config::{AuthConfig, AuthStrategy, CookieName, DatabaseUrl};
use crate::journal::SearchOrder;

/// Verifies credentials. Cheap to clone.
#[derive(Clone)]
pub struct UserSessionVerifier(Arc<VerifierState>);

struct VerifierState {
    cookies: Vec<CookieName>,
    kinds: CookieKinds,
    jwt_keys: JwtKeys,
    method: VerificationMethod,
    /// Where the secrets come from, for log lines.
    secrets_summary: String,
}

/// How a token is verified, by `auth.strategy`.
enum VerificationMethod {
    Secret(Box<TokenVerifier>),
    Database(Box<UserSessionCache>),
}

impl UserSessionVerifier {
    /// Returns a verifier for the configured strategy: by these secrets, or in the configured database (by default
    /// `database`).
    ///
    /// # Errors
    /// [`UserSessionTableError`] if the strategy is `database` and the table of sessions cannot be read.
    pub async fn open(
        config: &AuthConfig,
        secrets: &Secrets,
        database: &DatabaseUrl,
    ) -> Result<Self, UserSessionTableError> {
        // The schema of `database.url` contains the tables of the service, whose names the application may use too.
        let (database, order) = match &config.database_url {
            Some(application) => (application, SearchOrder::SchemaFirst),
            None => (database, SearchOrder::SchemaLast),
        };
        match config.strategy {
            AuthStrategy::Jwt => Ok(Self::with_secrets(config, secrets)),
            AuthStrategy::Database => {
                let table = UserSessionTable::open(config, database, order).await?;
                let cache = Box::new(UserSessionCache::new(table, config.recheck));
                let jwt_keys = JwtKeys::for_config(config, secrets);
                let method = VerificationMethod::Database(cache);
                Ok(Self::new(config, secrets, jwt_keys, method))
            }
        }
    }

    /// Returns a verifier by these secrets.
    pub(super) fn with_secrets(config: &AuthConfig, secrets: &Secrets) -> Self {
        let jwt_keys = JwtKeys::for_config(config, secrets);
        let verifier = TokenVerifier::new(config, secrets, jwt_keys.clone());
        let method = VerificationMethod::Secret(Box::new(verifier));
        Self::new(config, secrets, jwt_keys, method)
    }

    fn new(
        config: &AuthConfig,
        secrets: &Secrets,
        jwt_keys: JwtKeys,
        method: VerificationMethod,
    ) -> Self {
        Self(Arc::new(VerifierState {
            cookies: config.cookies.clone(),
            kinds: CookieKinds::new(config),
            jwt_keys,
            method,
            secrets_summary: secrets.summary(),
        }))
    }

    /// Returns the credentials in a request's headers.
    pub fn credentials(&self, headers: &HeaderMap) -> Credentials {
        Credentials::from_request_headers(headers, &self.0.cookies)
    }

    /// Returns the session of the credentials at `now`: that of the first one that decides.
    ///
    /// # Errors
    /// `Refused` for an invalid or missing credential; `Unavailable` if it could not be checked.
    pub(super) async fn session(
        &self,
        credentials: &Credentials,
        now: SystemTime,
    ) -> Result<UserSession, SessionError> {
        let mut refusal = SessionRefusal::Missing;
        for credential in credentials.iter() {
            let relevance = self.relevance(credential);
            if relevance == CookieRelevance::PassedOver {
                refusal = SessionRefusal::KindNotAccepted;
                continue;
            }
            match self.session_of(credential, now).await {
                Err(SessionError::Refused(reason @ SessionRefusal::NotAuthentic))
                    if relevance == CookieRelevance::DecidesIfAuthentic =>
                {
                    refusal = reason;
                }
                decided => return decided,
            }
        }
        Err(refusal.into())
    }

    fn relevance(&self, credential: &Credential) -> CookieRelevance {
        match credential.source {
            CredentialSource::Cookie(index) => self.0.kinds.relevance(index, &credential.token),
            CredentialSource::Bearer | CredentialSource::Payload => CookieRelevance::Decides,
        }
    }

    async fn session_of(
        &self,
        credential: &Credential,
        now: SystemTime,
    ) -> Result<UserSession, SessionError> {
        match &self.0.method {
            VerificationMethod::Secret(verifier) => Ok(verifier.session(credential, now)?),
            VerificationMethod::Database(cache) => cache.session(&credential.token, now).await,
        }
    }

    /// Looks a session up again by its token. The session may have expired.
    pub(super) async fn look_up(
        &self,
        token: &str,
        now: SystemTime,
    ) -> Result<UserSession, SessionError> {
        match &self.0.method {
            VerificationMethod::Secret(_) => Err(SessionRefusal::NoSuchSession.into()),
            VerificationMethod::Database(cache) => cache.look_up(token, now).await,
        }
    }

    /// Returns where the secrets come from and what is probably not intended there. Contains no secret.
    pub(super) fn secrets_summary(&self) -> &str {
        &self.0.secrets_summary
    }

    /// Returns the keys for signing JWTs.
    pub fn jwt_keys(&self) -> &JwtKeys {
        &self.0.jwt_keys
    }
}
