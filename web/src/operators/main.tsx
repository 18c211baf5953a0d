import { render } from 'preact';
import '../shared/styles.css';
import { EmptyState } from '../shared/EmptyState.tsx';

render(<EmptyState level={1} title="vaultcast operators" />, document.getElementById('root')!);
