// The users of this application: rows of its own database. vaultcast knows a user by the `id` that the session carries.

import { createClient } from '@libsql/client';
import { eq } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/libsql';
import { sqliteTable, text } from 'drizzle-orm/sqlite-core';

const users = sqliteTable('users', {
  id: text('id').primaryKey(),
  name: text('name').notNull(),
  email: text('email').notNull().unique(),
});

export type User = typeof users.$inferSelect;

/** The users of the example. Anyone may sign in as one of them. */
const EXAMPLE_USERS: User[] = [
  { id: 'user-olga', name: 'Olga', email: 'olga@example.com' },
  { id: 'user-carl', name: 'Carl', email: 'carl@example.com' },
  { id: 'user-vera', name: 'Vera', email: 'vera@example.com' },
];

type Database = ReturnType<typeof drizzle>;

let opened: Promise<Database> | undefined;

/** Opens the database at the first use, and creates the table and the users of the example. */
function database(): Promise<Database> {
  opened ??= (async () => {
    const client = createClient({ url: process.env.APP_DATABASE_URL ?? 'file:app.db' });
    await client.execute('CREATE TABLE IF NOT EXISTS users (id TEXT PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL UNIQUE)');
    const database = drizzle(client);
    await database.insert(users).values(EXAMPLE_USERS).onConflictDoNothing();
    return database;
  })();
  return opened;
}

/** Returns all users, by name. */
export async function listUsers(): Promise<User[]> {
  return (await database()).select().from(users).orderBy(users.name);
}

/** Returns the user with this id. */
export async function findUser(id: string): Promise<User | undefined> {
  const [user] = await (await database()).select().from(users).where(eq(users.id, id));
  return user;
}
