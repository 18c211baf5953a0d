import { render } from 'preact';
import '../shared/styles.css';
import './operators.css';
import { OperatorsPage } from './OperatorsPage.tsx';

render(<OperatorsPage />, document.getElementById('root')!);
