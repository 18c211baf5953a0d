import { ButtonLink } from '../../shared/Button.tsx';
import { Badge } from '../../shared/Badge.tsx';
import { Notice } from '../../shared/Notice.tsx';
import { Avatar } from '../shell/Avatar.tsx';
import type { DemoInfo } from '../shell/use-page-info.ts';
import { basePath } from '../state/base-path.ts';

const MAY: Record<string, string> = {
  owner: 'Changes sources, members and the vault',
  contributor: 'Adds, edits and removes sources',
  viewer: 'Reads, and sees every change live',
};

/** The first page of the demo. */
export function DemoSignIn({ demo, expired }: { demo: DemoInfo; expired: boolean }) {
  return (
    <div class="welcome">
      {expired && <Notice tone="warn" title="Your session has ended">Sign in again to continue.</Notice>}
      <section class="hero" aria-labelledby="welcome-title">
        <h1 id="welcome-title">One vault, two users, no refresh</h1>
        <p>
          A change that one user makes is on disk before the other user sees it, and all users see all changes in the same order. Open both users
          side by side, add a source on the left and watch the right. Then cut the connection of one and let it catch up.
        </p>
        <ButtonLink kind="primary" class="button--large" href={`${basePath}/demo/split?left=owner&right=contributor`}>Open two users side by side</ButtonLink>
      </section>
      <section aria-labelledby="users-title">
        <h2 id="users-title" class="welcome__or">Or sign in as one user</h2>
        <ul class="user-cards">
          {demo.users.map(({ role, id, name }) => (
            <li key={role}>
              <a class="user-card" href={`${basePath}/demo/sign-in?as=${role}`}>
                <Avatar id={id} name={name} />
                <span class="user-card__text">
                  <span class="user-card__name"><span class="visually-hidden">Sign in as </span>{name} <Badge>{role}</Badge></span>
                  <span class="soft">{MAY[role]}</span>
                </span>
              </a>
            </li>
          ))}
        </ul>
      </section>
    </div>
  );
}
