//! The schema: where the database stands among the migrations that this binary knows, and those that it does not know,
//! because a newer one was here.

use migration::{Migrator, MigratorTrait, SchemaManager};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, Statement};

use super::Database;

/// A migration, and how the database stands to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its name, which begins with its date.
    pub name: String,
    /// How the database stands to it.
    pub standing: Standing,
}

/// How a database stands to a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has it.
    Applied,
    /// It does not have it yet.
    Pending,
    /// It has it from a newer version of this service: nobody here knows what it changed.
    Unknown,
}

impl Database {
    /// Applies the migrations that are pending.
    ///
    /// # Errors
    /// When one fails; those before it stay applied.
    pub async fn migrate(&self) -> Result<(), DbErr> {
        let up = |db| async move { Migrator::up(&db, None).await };
        self.writer().run(up).await
    }

    /// Reverts the migration that was applied last.
    ///
    /// # Errors
    /// When it fails.
    pub async fn revert_last(&self) -> Result<(), DbErr> {
        let down = |db| async move { Migrator::down(&db, Some(1)).await };
        self.writer().run(down).await
    }

    /// Every migration, oldest first, those that only the database knows at the end. Nothing is written for this, not
    /// even the table in which migrations are noted down: it may be that this user must not.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn migrations(&self) -> Result<Vec<Step>, DbErr> {
        let mut applied = self.writer().run(applied).await?;
        let mut steps = Vec::new();
        for known in Migrator::migrations() {
            let name = known.name().to_owned();
            let before = applied.len();
            applied.retain(|one| *one != name);
            let standing = match applied.len() < before {
                true => Standing::Applied,
                false => Standing::Pending,
            };
            steps.push(Step { name, standing });
        }
        let unknown = applied.into_iter().map(|name| Step {
            name,
            standing: Standing::Unknown,
        });
        steps.extend(unknown);
        Ok(steps)
    }
}

/// What is noted down in the database.
async fn applied(db: DatabaseConnection) -> Result<Vec<String>, DbErr> {
    if !SchemaManager::new(&db)
        .has_table("seaql_migrations")
        .await?
    {
        return Ok(Vec::new());
    }
    let sql = "SELECT version FROM seaql_migrations ORDER BY version";
    let asked = Statement::from_string(db.get_database_backend(), sql);
    let rows = db.query_all_raw(asked).await?;
    rows.iter().map(|row| row.try_get("", "version")).collect()
}
