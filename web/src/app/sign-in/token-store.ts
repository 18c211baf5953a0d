// A session token that the user has pasted. It is kept until the tab is closed.
const KEY = 'vaultcast.token';

/** Returns the token, if there is one. */
export function storedToken(): string | undefined {
  return sessionStorage.getItem(KEY) ?? undefined;
}

export function keepToken(token: string): void {
  sessionStorage.setItem(KEY, token);
}

export function forgetToken(): void {
  sessionStorage.removeItem(KEY);
}
