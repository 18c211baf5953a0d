import Link from 'next/link';
import { Report } from './report';

export default function Page() {
  return (
    <>
      <Link href="/sources">Sources</Link>
      <Report step="/" />
    </>
  );
}
